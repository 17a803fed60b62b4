"""Which speaker said which word: the sound around a word, and the voices known by then."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from speechmq_emulator.protocol.config import SpeakerDiarizationConfig
from speechmq_emulator.protocol.errors import WarningType
from speechmq_emulator.sound.voiceprint import Features
from speechmq_emulator.sound.voices import Voice, Voices
from speechmq_emulator.speech.events import Notice, SpeakerVoices, Word

_AROUND_SECONDS = 0.7
"""A word is too short to know a voice by: so much before and behind its middle is heard too."""

_PREVIEW_SECONDS = 1.4


class Sound(Protocol):
    """The audio around the words, which an engine keeps."""

    def features_between(self, start: float, end: float) -> Features:
        """How the voice sounds between two times, in seconds of the session."""


class Diarization:
    """Labels words in the order in which they are settled."""

    def __init__(self, config: SpeakerDiarizationConfig) -> None:
        self._voices = Voices(config)
        self._keeps_current = config.prefer_current_speaker
        self._current: Voice | None = None

    def notices(self) -> list[Notice]:
        return [Notice(WarningType.SPEAKER_ID, reason) for reason in self._voices.malformed]

    def begin_turn(self) -> None:
        """Somebody speaks after a pause: it may be anybody, unless the client thinks otherwise."""
        if not self._keeps_current:
            self._current = None

    def settle(self, words: Sequence[Word], sound: Sound) -> list[Word]:
        """The words with their speakers, from which the voices are learnt."""
        return [self._settle(word, sound) for word in words]

    def _settle(self, word: Word, sound: Sound) -> Word:
        middle = (word.start + word.end) / 2
        around = sound.features_between(middle - _AROUND_SECONDS, middle + _AROUND_SECONDS)
        self._current = self._voices.settle(around, self._current)
        if self._current is None:
            return word
        self._current.learn(sound.features_between(word.start, word.end))
        return replace(word, speaker=self._current.label)

    def preview(self, words: Sequence[Word], sound: Sound) -> list[Word]:
        """Open words: all are taken for the one who speaks now."""
        if not words:
            return []
        recent = sound.features_between(words[-1].end - _PREVIEW_SECONDS, words[-1].end)
        voice = self._voices.match(recent, self._current) or self._current
        return [replace(word, speaker=voice.label if voice else None) for word in words]

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        return self._voices.heard()
