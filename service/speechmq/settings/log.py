"""The log on stderr."""

from __future__ import annotations

from typing import Literal

from .section import Section


class LogSettings(Section):
    """What the worker writes to stderr."""

    format: Literal["console", "json"] = "console"
    """`json`: one object a line"""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Of the worker's own lines; libraries speak from WARNING on"""
