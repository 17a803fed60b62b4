"""What the command says of itself."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from speechmq.cli import app

RUNNER = CliRunner()


def test_version_is_that_of_the_distribution() -> None:
    result = RUNNER.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"speechmq {version('speechmq')}\n")


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_help_cuts_no_sentence(columns: str) -> None:
    result = RUNNER.invoke(app, ["--help"], env={"COLUMNS": columns, "TERMINAL_WIDTH": columns})
    listed = result.output.partition("Commands:")[2]
    commands = re.findall(r"^  (\w+) +\S", listed, re.MULTILINE)
    assert {"send", "listen", "captions", "dev", "status", "worker", "dead"} <= set(commands)
    assert "..." not in listed


def test_completion_of_the_shell_can_be_shown() -> None:
    assert "--show-completion" in RUNNER.invoke(app, ["--help"]).output
