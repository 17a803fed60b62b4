"""The two sides of the stream model that speak: a publisher's messages, and what a session hears.

The recogniser hears one word in each chunk, which names the chunk, and three voices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec
from tests.support.streams import RATE, words

from speechmq.session.commands import ChangeConfig, Command, TellSpeakers
from speechmq.session.inputs import (
    ChunkDelivered,
    CommandDelivered,
    Delivered,
    EndDelivered,
    GarbageDelivered,
)
from speechmq.upstream.messages import (
    FinalTranslationReceived,
    Metadata,
    Speaker,
    SpeakersReceived,
)

WINDOW = 0.4
WINDOW_CHUNKS = 4
CHANGEABLE = ("max_delay", "max_delay_mode")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream's queue; ``seq`` 0 is garbage, and neither samples nor a command
    an end."""

    seq: int
    samples: int | None = None
    command: Command | None = None

    def delivered(self, tag: int) -> Delivered:
        if not self.seq:
            return GarbageDelivered(tag, "bad_json", "no JSON")
        if self.command is not None:
            return CommandDelivered(tag, self.seq, self.command)
        if self.samples is None:
            return EndDelivered(tag, self.seq)
        return ChunkDelivered(tag, self.seq, audio_of(self.seq, self.samples))


def audio_of(seq: int, samples: int) -> bytes:
    """Four samples spell the seq; silence is 0xFF."""
    return seq.to_bytes(4, "big") * (samples // 4)


def words_in(audio: bytes) -> list[bytes]:
    """Audio of several messages, put together, is taken apart again."""
    spelled = [audio[at : at + 4] for at in range(0, len(audio), 4)]
    return [b"".join(same) for _, same in groupby(spelled)]


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
    is_asked_at_end: bool = False
    config: dict[str, Any] = field(default_factory=dict)  # what holds for the audio that comes now
    translated: dict[str, int] = field(default_factory=dict)
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
        self.chunks.append(len(audio))
        for word in words_in(audio):
            self.hear_word(word)
        self.check_window()

    def hear_word(self, audio: bytes) -> None:
        start, self.heard = self.heard, self.heard + len(audio)
        if is_silence(audio):
            self.ends.append(start + len(audio) // 2)
        else:
            seq = int.from_bytes(audio[:4], "big")
            assert not self.spoken or self.spoken[-1][0] < seq, "heard twice, or out of order"
            self.spoken.append((seq, start, self.heard))
        self.ends.append(self.heard)

    @property
    def under_way(self) -> list[int]:
        return self.chunks[self.confirmed :]

    def check_window(self) -> None:
        under_way = self.under_way
        assert len(under_way) <= WINDOW_CHUNKS
        assert sum(under_way) <= WINDOW * RATE or len(under_way) == 1

    def introduce(self, config: Mapping[str, Any]) -> None:
        self.config = {name: value for name, value in config.items() if name in CHANGEABLE}
        speakers = config.get("speaker_diarization_config", {}).get("speakers", [])
        for one in speakers:
            assert not one["label"].startswith("S"), "the API refuses such labels"
            self.introduced[one["speaker_identifiers"][0]] = one["label"]

    def obey(self, command: Command) -> None:
        assert self.started, "a command before recognition started"
        assert not self.ended, "a command behind the end"
        match command:
            case ChangeConfig(config):
                self.config.update(config)
            case TellSpeakers(final):
                self.is_asked_at_end |= final
                self.questions += not final

    def untranslated(self, language: str) -> list[tuple[int, int, int]]:
        """Each word is a sentence of its own."""
        after = self.translated.get(language, 0)
        return [one for one in self.spoken if after < one[2] <= self.finalised]

    def translation(self, language: str, count: int) -> FinalTranslationReceived:
        """The next sentences, ``count`` at most."""
        sentences = self.untranslated(language)[:count]
        self.translated[language] = sentences[-1][2]
        results = [
            {"content": f"w{seq}", "start_time": start / RATE, "end_time": stop / RATE}
            for seq, start, stop in sentences
        ]
        return FinalTranslationReceived(language, msgspec.Raw(msgspec.json.encode(results)))

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
