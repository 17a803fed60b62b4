"""The two voices of ledger audio: their labels, and identifiers that outlive a session."""

import base64

from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.protocol.errors import WarningType
from speechmq_emulator.speech.events import Notice, SpeakerVoices

UNKNOWN = "UU"
"""The service's own label for a voice that it can not tell."""


def identifier(voice: int) -> str:
    return base64.b64encode(f"ledger voice {voice}".encode()).decode()


_VOICES = {identifier(voice): voice for voice in (1, 2)}


class Voices:
    """Labels in the order in which voices are heard, where the session does not name them."""

    def __init__(self, config: TranscriptionConfig) -> None:
        self.told_apart = config.tells_speakers
        self._named: dict[int, str] = {}
        self._labels: dict[int, str] = {}
        self._unknown: list[tuple[str, str]] = []
        for speaker in config.speaker_diarization_config.speakers if self.told_apart else ():
            self._recall(speaker.label, speaker.speaker_identifiers)

    def _recall(self, label: str, identifiers: list[str]) -> None:
        for text in identifiers:
            if text in _VOICES:
                self._named.setdefault(_VOICES[text], label)
            else:
                self._unknown.append((label, text))

    def notices(self) -> list[Notice]:
        """One for each identifier that no ledger session gave out."""
        field = "speaker_diarization_config.speakers"
        return [
            Notice(
                WarningType.SPEAKER_ID,
                f"{field}: the identifier {text[:40]!r} of {label[:40]!r} is unknown and ignored",
            )
            for label, text in self._unknown
        ]

    def label(self, voice: int) -> str | None:
        """None where voices are not told apart."""
        if not self.told_apart:
            return None
        if voice not in self._labels:
            self._labels[voice] = self._named.get(voice) or self._next_label()
        return self._labels[voice]

    def _next_label(self) -> str:
        given = len(self._labels.keys() - self._named.keys())
        return f"S{given + 1}"

    @property
    def unknown(self) -> str | None:
        """The label of damaged sound."""
        return UNKNOWN if self.told_apart else None

    def heard(self) -> tuple[SpeakerVoices, ...]:
        """In the order in which they spoke first."""
        return tuple(
            SpeakerVoices(label, (identifier(voice),)) for voice, label in self._labels.items()
        )
