"""What a figure was measured on, without the name of any machine."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.processes import cores


def machine(libraries: Sequence[str]) -> str:
    """One line: processor, cores, Python, and the versions of ``libraries``."""
    versions = [f"{name} {version(name)}" for name in libraries]
    facts = [_processor(), f"{len(cores())} cores", f"Python {platform.python_version()}"]
    return ", ".join([*facts, *versions])


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table, the first line its head."""
    head, *rows = lines
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows))
