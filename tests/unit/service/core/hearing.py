"""The two sides of the stream model that speak: a publisher's messages, and what a session hears.

The recogniser hears three voices, and one word in each chunk of each channel, which names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any

import msgspec
from tests.support.streams import RATE, SPEC, words

from speechmq.core.values.commands import ChangeConfig, Command, ForceUtterance, TellSpeakers
from speechmq.core.values.inputs import (
    ChunkDelivered,
    CommandDelivered,
    Delivered,
    EndDelivered,
    GarbageDelivered,
)
from speechmq.core.values.spec import Channel, StreamSpec
from speechmq.speechmatics.messages import (
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
    an end. ``channel`` is what the publisher says of it."""

    seq: int
    samples: int | None = None
    command: Command | None = None
    channel: Channel = None

    def delivered(self, tag: int, spec: StreamSpec) -> Delivered:
        if not self.seq:
            return GarbageDelivered(tag, "bad_json", "no JSON")
        if self.command is not None:
            return CommandDelivered(tag, self.seq, self.command)
        if self.samples is None:
            return EndDelivered(tag, self.seq)
        return ChunkDelivered(tag, self.seq, self.audio(spec), channel=self.channel)

    def audio(self, spec: StreamSpec) -> bytes:
        assert self.samples is not None
        if not spec.is_interleaved:
            return audio_of(self.seq, self.samples, index_of(self.channel))
        parts = [audio_of(self.seq, self.samples, index_of(one)) for one in spec.channels]
        return bytes(chain.from_iterable(zip(*parts, strict=True)))


def index_of(channel: Channel) -> int:
    return 0 if channel is None else ord(channel)


def audio_of(seq: int, samples: int, index: int) -> bytes:
    """Four samples spell the channel and the seq; silence is 0xFF."""
    return (bytes([index]) + seq.to_bytes(3, "big")) * (samples // 4)


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
class Ear:
    """What a session hears of one channel, on its own clock in samples."""

    channel: Channel
    translated: dict[str, int] = field(default_factory=dict)
    heard: int = 0
    finalised: int = 0
    chunks: list[int] = field(default_factory=list)
    confirmed: int = 0
    ended: bool = False
    spoken: list[tuple[int, int, int]] = field(default_factory=list)  # seq, start, end
    ends: list[int] = field(default_factory=list)  # where a final may end

    def hear(self, audio: bytes) -> None:
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
            seq = int.from_bytes(audio[1:4], "big")
            assert audio == audio_of(seq, len(audio), index_of(self.channel)), "of another channel"
            assert not self.spoken or self.spoken[-1][0] < seq, "heard twice, or out of order"
            self.spoken.append((seq, start, self.heard))
        self.ends.append(self.heard)

    @property
    def under_way(self) -> list[int]:
        return self.chunks[self.confirmed :]

    def has_room(self, samples: int) -> bool:
        under_way = self.under_way
        return len(under_way) < WINDOW_CHUNKS and sum(under_way) + samples <= WINDOW * RATE

    def check_window(self) -> None:
        under_way = self.under_way
        assert len(under_way) <= WINDOW_CHUNKS
        assert sum(under_way) <= WINDOW * RATE or len(under_way) == 1

    @property
    def possible_ends(self) -> list[int]:
        return [one for one in self.ends if one > self.finalised]


@dataclass
class Hearing:
    """One upstream session.

    ``introduced`` are the labels of the voices that it was told of; it numbers others as they come.
    """

    spec: StreamSpec = SPEC
    introduced: dict[str, str] = field(default_factory=dict)
    numbered: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)  # what voices are called on the stream
    taken: frozenset[str] = frozenset()  # labels that the stream had used before
    questions: int = 0
    is_asked_at_end: bool = False
    config: dict[str, Any] = field(default_factory=dict)  # what holds for the audio that comes now
    started: bool = False
    opened: bool = False

    def __post_init__(self) -> None:
        self.ears = {channel: Ear(channel) for channel in self.spec.channels}

    @property
    def ended(self) -> bool:
        return all(ear.ended for ear in self.ears.values())

    @property
    def unread(self) -> list[Ear]:
        return [ear for ear in self.ears.values() if ear.confirmed < len(ear.chunks)]

    @property
    def unsaid(self) -> list[Ear]:
        return [ear for ear in self.ears.values() if ear.possible_ends]

    def hear(self, audio: bytes, channel: Channel) -> None:
        assert self.started, "audio before recognition started"
        self.ears[channel].hear(audio)

    def end(self, channel: Channel, chunks: int) -> None:
        ear = self.ears[channel]
        assert self.started, "an end before recognition started"
        assert not ear.ended, "ended twice"
        assert chunks == len(ear.chunks)
        ear.ended = True

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
            case ForceUtterance(_, channel):
                assert not self.ears[channel].ended, "upstream would end the session"

    def untranslated(self, language: str) -> list[tuple[int, int, int]]:
        """Each word is a sentence of its own; of a mono stream's."""
        ear = self.ears.get(None)
        after = ear.translated.get(language, 0) if ear else 0
        return [one for one in ear.spoken if after < one[2] <= ear.finalised] if ear else []

    def translation(self, language: str, count: int) -> FinalTranslationReceived:
        """The next sentences, ``count`` at most."""
        sentences = self.untranslated(language)[:count]
        self.ears[None].translated[language] = sentences[-1][2]
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
        spoken = [seq for ear in self.ears.values() for seq, _, _ in ear.spoken]
        voices = dict.fromkeys(map(voice_of, spoken))
        return SpeakersReceived([Speaker(self.label(voice), [voice]) for voice in voices])

    def segment(self, ear: Ear, end: int) -> tuple[Metadata, msgspec.Raw]:
        said = [
            (f"w{seq}", start / RATE, stop / RATE, self.label(voice_of(seq)))
            for seq, start, stop in ear.spoken
            if ear.finalised < stop <= end
        ]
        text = "".join(f"{word} " for word, *_ in said)
        return Metadata(ear.finalised / RATE, end / RATE, text), words(*said)
