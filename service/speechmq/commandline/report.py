"""What a command says at its end."""

from __future__ import annotations

from rich.console import Console

from .screen import print_plain
from .send import SendResult
from .summary import DEFINITIONS


def show_result(console: Console, result: SendResult) -> None:
    print_plain(console, "")
    for name, value in result.summary.rows():
        print_plain(console, f"{name:<15} {value}")
    print_plain(console, f"\n{DEFINITIONS}")
