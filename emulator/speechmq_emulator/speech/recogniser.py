"""What one channel's recogniser has to do. ``ledger`` and ``sphinx`` have one each."""

from typing import Protocol

from speechmq_emulator.audio import Samples
from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.speech.events import Heard, SpeakerVoices


class Recogniser(Protocol):
    """Samples of one channel, in order -> words. Synchronous and without a clock.

    It reports ``Partial``, ``Final``, ``UtteranceEnded``, ``AudioEventStarted``,
    ``AudioEventEnded`` and ``Notice``; finals tile the timeline (``timeline.Timeline``).
    Its results are ``Word`` (labelled and measured as the configuration asks, disfluencies
    tagged) and ``Mark``. What is made of words (entities, replacements, translations) is
    not its affair.
    """

    def begin(self) -> list[Heard]:
        """What there is to say before the first sample: notices about the configuration."""

    def feed(self, samples: Samples) -> list[Heard]:
        """Samples at the rate that the recogniser was made for; any number of them."""

    def end_utterance(self, at: float | None) -> list[Heard]:
        """Settle at once everything up to ``at`` (None: up to the newest sample), with
        ``forced`` on the final and on the ``UtteranceEnded`` behind it.

        Audio before ``at`` that has not come yet is waited for: the reports come with it.
        """

    def configure(self, config: TranscriptionConfig) -> None:
        """From here on the session has this configuration; the language is the same."""

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        """The voices told apart so far; none without speaker diarization."""

    def finish(self, duration: float) -> list[Heard]:
        """Settle everything up to ``duration``, the length of all audio in seconds."""
