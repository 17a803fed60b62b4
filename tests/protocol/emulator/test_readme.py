"""What the emulator's README shows runs as it stands, but for the ports."""

import asyncio
import re
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer

from speechmq_emulator import cli
from speechmq_emulator.ledger import encode
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.server import Emulator, serve

README = (Path(cli.__file__).parents[1] / "README.md").read_text()
PLAIN, OFFICIAL, IN_A_TEST = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
(NODE,) = re.findall(r"```js\n(.*?)```", README, re.DOTALL)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger", limits=Limits(lenient=True), http_port=0) as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(encode([1, 2, 3]))
    return path


def at(emulator: Emulator, code: str) -> str:
    """The code, told where this emulator is."""
    there = code.replace("http://127.0.0.1:8001", str(emulator.http_url))
    return there.replace("ws://127.0.0.1:9000/v2", emulator.url)


async def printed_by(program: str, script: Path, recording: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        program, str(script), str(recording), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


@pytest.mark.parametrize("block", [PLAIN, OFFICIAL], ids=["websockets", "speechmatics-rt"])
async def test_python_client_prints_what_was_said(
    emulator: Emulator, recording: Path, tmp_path: Path, block: str
) -> None:
    script = tmp_path / "client.py"
    script.write_text(at(emulator, block))
    assert await printed_by(sys.executable, script, recording) == "w1 w2 w3 "


@pytest.mark.timeout(180)
async def test_node_client_prints_what_was_said(
    emulator: Emulator, recording: Path, node_packages: Path
) -> None:
    script = node_packages / "client.mjs"
    script.write_text(at(emulator, NODE))
    assert await printed_by("node", script, recording) == "w1 w2 w3 "


def test_code_for_tests_compiles() -> None:
    compile(IN_A_TEST, "README.md", "exec", flags=0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT


def test_table_has_every_option() -> None:
    app = typer.Typer(add_completion=False)
    app.command()(cli.run)
    command = typer.main.get_command(app)
    options = {
        name
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
        for name in parameter.opts
    }
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `--")]
    assert {name for row in rows for name in re.findall(r"`(--[\w-]+)`", row)} == options
