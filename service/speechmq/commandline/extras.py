"""Whether an extra of the distribution is installed. Imports none of it."""

from __future__ import annotations

import importlib.util

CONSOLE = ("starlette", "uvicorn")


def console_is_installed() -> bool:
    """Whether there is a web server for ``speechmq console``."""
    return all(importlib.util.find_spec(name) is not None for name in CONSOLE)
