"""The two sides of the stream model that speak: a publisher's messages, and what a session hears.

The recogniser hears one word in each chunk, which names the chunk, and three voices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tests.support.streams import RATE, words

from speechmq.session.inputs import ChunkDelivered, EndDelivered, GarbageDelivered
from speechmq.upstream.messages import Metadata, Speaker, SpeakersReceived

WINDOW = 0.4
WINDOW_CHUNKS = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream's queue; ``seq`` 0 is garbage, and no samples an end."""

    seq: int
    samples: int | None = None

    def delivered(self, tag: int) -> ChunkDelivered | EndDelivered | GarbageDelivered:
        if not self.seq:
            return GarbageDelivered(tag, "bad_json", "no JSON")
        if self.samples is None:
            return EndDelivered(tag, self.seq)
        return ChunkDelivered(tag, self.seq, audio_of(self.seq, self.samples))


def audio_of(seq: int, samples: int) -> bytes:
    """Four samples spell the seq; silence is 0xFF."""
    return seq.to_bytes(4, "big") * (samples // 4)


def voice_of(seq: int) -> str:
    """Three people speak in turn; the third only now and then."""
    return "bob" if seq % 7 == 0 else "eve" if seq % 2 else "joe"


def is_silence(audio: bytes) -> bool:
    return audio == b"\xff" * len(audio)


@dataclass
class Hearing:
    """One upstream session, on its own clock in samples.

    ``introduced`` are the labels of the voices that it was told of; it numbers others as they come.
    """

    introduced: dict[str, str] = field(default_factory=dict)
    numbered: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)  # what voices are called on the stream
    taken: frozenset[str] = frozenset()  # labels that the stream had used before
    questions: int = 0
    heard: int = 0
    finalised: int = 0
    chunks: list[int] = field(default_factory=list)
    confirmed: int = 0
    started: bool = False
    opened: bool = False
    ended: bool = False
    spoken: list[tuple[int, int, int]] = field(default_factory=list)  # seq, start, end
    ends: list[int] = field(default_factory=list)  # where a final may end

    def hear(self, audio: bytes) -> None:
        assert self.started, "audio before recognition started"
        assert not self.ended, "audio behind the end"
        start, self.heard = self.heard, self.heard + len(audio)
        self.chunks.append(len(audio))
        if is_silence(audio):
            self.ends.append(start + len(audio) // 2)
        else:
            seq = int.from_bytes(audio[:4], "big")
            assert audio == audio_of(seq, len(audio))
            assert not self.spoken or self.spoken[-1][0] < seq, "heard twice, or out of order"
            self.spoken.append((seq, start, self.heard))
        self.ends.append(self.heard)
        self.check_window()

    def check_window(self) -> None:
        under_way = self.chunks[self.confirmed :]
        assert len(under_way) <= WINDOW_CHUNKS
        assert sum(under_way) <= WINDOW * RATE or len(under_way) == 1

    def introduce(self, config: Mapping[str, Any]) -> None:
        speakers = config.get("speaker_diarization_config", {}).get("speakers", [])
        for one in speakers:
            assert not one["label"].startswith("S"), "the API refuses such labels"
            self.introduced[one["speaker_identifiers"][0]] = one["label"]

    def label(self, voice: str) -> str:
        if voice in self.introduced:
            return self.introduced[voice]
        return self.numbered.setdefault(voice, f"S{len(self.numbered) + 1}")

    def speakers(self) -> SpeakersReceived:
        voices = dict.fromkeys(voice_of(seq) for seq, _, _ in self.spoken)
        return SpeakersReceived([Speaker(self.label(voice), [voice]) for voice in voices])

    def segment(self, end: int) -> tuple[Metadata, msgspec.Raw]:
        said = [
            (f"w{seq}", start / RATE, stop / RATE, self.label(voice_of(seq)))
            for seq, start, stop in self.spoken
            if self.finalised < stop <= end
        ]
        text = "".join(f"{word} " for word, *_ in said)
        return Metadata(self.finalised / RATE, end / RATE, text), words(*said)
