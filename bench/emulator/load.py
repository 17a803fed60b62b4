"""The load generator's process: sessions as the arguments say, results as JSON lines.

Run by ``measurement``, which reads ``speaking``, ``silent`` and the results from its output.
"""

import argparse
import asyncio
import json
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

from bench.emulator.sessions import Heard, Plan, run

from speechmq_emulator.ledger import encode

RATE = 16000
BLOCKS_PER_SECOND = 5


def main() -> None:
    asked = _arguments()
    numbers = range(asked.seconds * BLOCKS_PER_SECOND)
    audio = encode(numbers, sample_rate=RATE) if asked.wav is None else _samples(asked.wav)
    config = {"language": "en", "max_delay": 1.0, "enable_partials": True}
    plan = Plan(asked.url, asked.sessions, audio[: asked.seconds * RATE * 2], RATE, config)
    with asyncio.Runner(loop_factory=_event_loop) as runner:
        heard = runner.run(run(plan, _say))
    expected = [f"w{number}" for number in numbers] if asked.checked else None
    _say(json.dumps(_results(heard, expected)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--checked", action="store_true", help="count wrong transcripts")
    parser.add_argument("--wav", type=Path, help="16 kHz mono; without it ledger audio")
    return parser.parse_args()


def _samples(path: Path) -> bytes:
    with wave.open(str(path)) as audio:
        if (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit(f"{path} is not 16 bit mono at {RATE} Hz")
        samples: bytes = audio.readframes(audio.getnframes())
        return samples


def _results(heard: Heard, expected: Sequence[str] | None) -> dict[str, float]:
    whole = sum(words == expected for words in heard.transcripts)
    return {
        "chunks": len(heard.taken),
        "words": len(heard.words),
        "wrong_transcripts": len(heard.transcripts) - whole if expected is not None else 0,
        **_quantiles("taken", heard.taken),
        # Who falls behind is ever later: the lags near the end tell.
        "taken_late_p50": _quantiles("", heard.taken[len(heard.taken) * 3 // 4 :])["_p50"],
        **_quantiles("words", heard.words),
    }


def _quantiles(name: str, lags: Sequence[float]) -> dict[str, float]:
    ordered = sorted(lags) or [0.0]
    return {
        f"{name}_p50": ordered[len(ordered) // 2],
        f"{name}_p99": ordered[len(ordered) * 99 // 100],
        f"{name}_max": ordered[-1],
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _event_loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415  # not on every platform

    return uvloop.new_event_loop()


if __name__ == "__main__":
    main()
