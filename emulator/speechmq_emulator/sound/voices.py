"""Who speaks: voices told apart as they come, and known again by identifiers.

Each voice is the mean of its frames (``voiceprint``); speech belongs to the nearest voice,
or to a new one if none is near enough. Nothing here knows of words or of time.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechmq_emulator.protocol.config import SpeakerDiarizationConfig
from speechmq_emulator.sound.identifier import IdentifierError, Print, read_identifier
from speechmq_emulator.sound.voiceprint import Features
from speechmq_emulator.speech.events import SpeakerVoices

LEAST_FRAMES = 8
"""Fewer frames of 20 ms tell nothing of a voice."""

_LEAST_FRAMES_OF_NEW = 20
_FAVOUR = 0.2
_FAVOUR_PREFERRED = 0.6
_MOST_FRAMES = 3000  # A voice that changes over an hour is followed.

# How far the mean of 30 frames of one voice strays from its mean over minutes, measured on a
# dozen synthetic voices; pitch is given twice that, for people are less even.
_SPREAD = np.array([1.62, 2.18, 2.01, 1.20, 1.19, 0.83, 0.89, 0.74, 0.60, 0.51, 0.49, 0.43, 0.12])
_SPREAD_FRAMES = 30
_LASTING_SHARE = 0.2  # of the variance that more frames do not take away


@dataclass(slots=True, eq=False)
class Voice:
    """``heard`` tells whether it spoke in this session, or is only known from another."""

    label: str
    mean: NDArray[np.float64]
    frames: int
    heard: bool = False

    def distance(self, features: Features) -> float:
        """About 1 for speech of the same voice, whatever its length."""
        uncertain = _SPREAD_FRAMES * (1 / len(features) + 1 / self.frames)
        scale = np.sqrt(_LASTING_SHARE + (1 - _LASTING_SHARE) * uncertain)
        away = (features.mean(axis=0) - self.mean) / (_SPREAD * scale)
        return float(np.sqrt((away**2).mean()))

    def learn(self, features: Features) -> None:
        self.heard = True
        if len(features):
            self.frames = min(self.frames + len(features), _MOST_FRAMES)
            share = min(1.0, len(features) / self.frames)
            self.mean = self.mean + share * (features.mean(axis=0) - self.mean)


class Voices:
    """The voices of one session: its own ``S1``, ``S2``, … and the client's by name."""

    def __init__(self, config: SpeakerDiarizationConfig) -> None:
        self.malformed: list[str] = []
        """A sentence for each identifier that could not be read."""
        self._most = config.max_speakers
        # From "one voice whatever it does" to "a cold makes another voice".
        self._threshold = 2.1 - 1.4 * config.speaker_sensitivity
        self._favour = _FAVOUR_PREFERRED if config.prefer_current_speaker else _FAVOUR
        self._voices: list[Voice] = []
        for speaker in config.speakers:
            self._know(speaker.label, speaker.speaker_identifiers)

    def _know(self, label: str, identifiers: Iterable[str]) -> None:
        for identifier in identifiers:
            try:
                known = read_identifier(identifier)
            except IdentifierError as error:
                self.malformed.append(f"An identifier of speaker {label[:40]!r} {error}")
            else:
                self._voices.append(Voice(label, np.array(known.mean), known.frames))

    def match(self, features: Features, current: Voice | None) -> Voice | None:
        """Whose speech this is, with a little favour for ``current``; None: nobody's known."""
        if len(features) < LEAST_FRAMES:
            return current
        near = min(self._distances(features, current), default=None, key=lambda pair: pair[0])
        if near is not None and near[0] <= self._threshold:
            return near[1]
        return None

    def settle(self, features: Features, current: Voice | None) -> Voice | None:
        """As ``match``, but a voice that is near to none becomes a new one, if there may be more.

        None for too little speech before anybody was known.
        """
        voice = self.match(features, current)
        if voice is not None:
            return voice
        least = _LEAST_FRAMES_OF_NEW if self._voices else LEAST_FRAMES
        if len(features) >= least and not self._full:
            return self._meet(features)
        heard = (
            [p for p in self._distances(features, current) if p[1].heard] if len(features) else []
        )
        return min(heard, default=(0.0, current), key=lambda pair: pair[0])[1]

    def _distances(self, features: Features, current: Voice | None) -> list[tuple[float, Voice]]:
        return [
            (voice.distance(features) - self._favour * (voice is current), voice)
            for voice in self._voices
        ]

    @property
    def _full(self) -> bool:
        heard = {voice.label for voice in self._voices if voice.heard}
        return self._most is not None and len(heard) >= self._most

    def _meet(self, features: Features) -> Voice:
        # A client's labels can not look like these, so they are all ours.
        number = 1 + sum(v.label[0] == "S" and v.label[1:].isdecimal() for v in self._voices)
        voice = Voice(f"S{number}", features.mean(axis=0), len(features), heard=True)
        self._voices.append(voice)
        return voice

    def heard(self) -> tuple[SpeakerVoices, ...]:
        """The voices that spoke in this session, each label once, with their identifiers."""
        identifiers: dict[str, list[str]] = {}
        for voice in self._voices:
            if voice.heard:
                printed = Print(tuple(voice.mean.tolist()), voice.frames)
                identifiers.setdefault(voice.label, []).append(printed.identifier())
        return tuple(SpeakerVoices(label, tuple(ids)) for label, ids in identifiers.items())
