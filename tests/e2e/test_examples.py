"""The publishers that the README shows, run as they stand."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import wave
from pathlib import Path

import pytest
from tests.support.broker import Namespace
from tests.support.speaker import RATE, said, speaking
from tests.support.worker import running_worker

from speechmq_emulator.ledger import encode
from speechmq_emulator.server import serve

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NUMBERS = list(range(40, 50))
JAVA_CLIENT = os.environ.get(
    "JAVA_AMQP_CLASSPATH", "/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar"
)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(encode(NUMBERS, sample_rate=RATE, encoding="pcm_s16le"))
    return path


async def run(*command: str, cwd: Path, **environment: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def words_published_by(
    namespace: Namespace, *command: str, cwd: Path = EXAMPLES
) -> list[str]:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as listener,
    ):
        await run(*command, "call-1", cwd=cwd, AMQP_URL=namespace.url)
        await listener.ears.until_over("call-1")
    return listener.ears.words("call-1")


async def test_publisher_in_python(namespace: Namespace, recording: Path) -> None:
    command = (sys.executable, "publish.py", str(recording))
    assert await words_published_by(namespace, *command) == said(NUMBERS)


async def test_publisher_in_python_with_the_client_library(
    namespace: Namespace, recording: Path
) -> None:
    command = (sys.executable, "publish_wav.py", str(recording))
    assert await words_published_by(namespace, *command) == said(NUMBERS)


@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed")
async def test_publisher_in_node(namespace: Namespace, recording: Path, tmp_path: Path) -> None:
    for name in ("publish.mjs", "package.json", "package-lock.json"):
        shutil.copy(EXAMPLES / name, tmp_path)
    await run("npm", "ci", "--no-audit", "--no-fund", cwd=tmp_path)
    command = ("node", "publish.mjs", str(recording))
    assert await words_published_by(namespace, *command, cwd=tmp_path) == said(NUMBERS)


@pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed")
@pytest.mark.skipif(
    not all(Path(jar).exists() for jar in JAVA_CLIENT.split(os.pathsep)),
    reason="RabbitMQ's Java client is not installed (Debian: librabbitmq-client-java)",
)
async def test_publisher_in_java(namespace: Namespace, recording: Path) -> None:
    command = ("java", "-cp", JAVA_CLIENT, "Publish.java", str(recording))
    assert await words_published_by(namespace, *command) == said(NUMBERS)


SHOWN = ["publish_wav.py", "captions.py", "publish.py", "publish.mjs", "Publish.java"]


@pytest.mark.parametrize("name", SHOWN)
def test_readme_shows_the_example_as_it_stands(name: str) -> None:
    assert (EXAMPLES / name).read_text() in (ROOT / "README.md").read_text()
