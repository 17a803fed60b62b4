"""``@speechmatics/real-time-client`` and ``@speechmatics/auth`` from npm, unchanged."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.protocol.emulator.client import Message, only, words

from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.server import Emulator, serve

CONFIG = {"transcription_config": {"language": "en"}}

pytestmark = pytest.mark.timeout(180)  # npm may have to download


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger", http_port=0) as running:
        yield running


@dataclass(frozen=True)
class Script:
    folder: Path

    async def run(self, url: str, audio: bytes, **options: Any) -> list[Message]:
        """One session; all messages that the client heard."""
        recording = self.folder / "audio.raw"
        recording.write_bytes(audio)
        given = {"url": url, "audio": str(recording), "config": CONFIG, **options}
        process = await asyncio.create_subprocess_exec(
            "node",
            "session.mjs",
            json.dumps(given),
            cwd=self.folder,
            env=os.environ | {"NODE_OPTIONS": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, complaints = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, complaints.decode()
        heard: list[Message] = json.loads(output)
        return heard


@pytest.fixture
def script(node_packages: Path) -> Script:
    return Script(node_packages)


async def test_client_gets_in_with_a_temporary_key(emulator: Emulator, script: Script) -> None:
    keys = f"{emulator.http_url}/v1"
    heard = await script.run(emulator.url, encode([1, 2]), keysUrl=keys, apiKey="dev")
    assert words(heard) == [("w1", 0.0, 0.2), ("w2", 0.2, 0.4)]
    assert heard[-1] == {"message": "EndOfTranscript"}


async def test_client_gets_all_that_it_can_ask_for(emulator: Emulator, script: Script) -> None:
    config = {
        "transcription_config": {
            "language": "en",
            "diarization": "speaker",
            "enable_partials": True,
            "conversation_config": {"end_of_utterance_silence_trigger": 0.4},
        },
        "translation_config": {"target_languages": ["de"]},
    }
    audio = encode([1, Spoken(2, voice=2, ends_sentence=True), None, None, None, 3])
    update = {"language": "en", "max_delay": 1.5, "enable_partials": False}
    asked = {"update": update, "force": True, "speakers": True}
    heard = await script.run(emulator.url, audio, key="dev", config=config, **asked)
    assert [content for content, _, _ in words(heard)] == ["w1", "w2", "w3"]
    assert only(heard, "AddPartialTranscript") != []
    assert {m["language"] for m in only(heard, "AddTranslation")} == {"de"}
    ends = [(m["metadata"]["end_time"], m.get("forced")) for m in only(heard, "EndOfUtterance")]
    assert ends == [(0.8, None), (1.2, True)]
    (result,) = only(heard, "SpeakersResult")
    assert [speaker["label"] for speaker in result["speakers"]] == ["S1", "S2"]
    assert heard[-1] == {"message": "EndOfTranscript"}


async def test_client_that_stops_at_once_miscounts_its_chunks(
    emulator: Emulator, script: Script
) -> None:
    heard = await script.run(emulator.url, encode([1, 2]), key="dev", hasty=True)
    (error,) = only(heard, "Error")
    assert error["type"] == "protocol_error"
    assert error["reason"].startswith("EndOfStream.last_seq_no is 0, but 4 chunks came")


async def test_lenient_server_takes_the_miscounted_chunks(script: Script) -> None:
    async with serve("ledger", limits=Limits(lenient=True)) as emulator:
        heard = await script.run(emulator.url, encode([1, 2]), key="dev", hasty=True)
    assert words(heard) == [("w1", 0.0, 0.2), ("w2", 0.2, 0.4)]
    assert heard[-1] == {"message": "EndOfTranscript"}
