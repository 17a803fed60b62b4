"""Takes samples for their number alone, and says what a recording said at that place."""

from speechmq_emulator.audio import Samples
from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.replay.recording import Recording
from speechmq_emulator.speech.events import Heard, Recorded, SpeakerVoices

TOLERANCE = 0.0005
"""How far a recorded place may lie from the true one, in seconds: recorders round."""

SAME_LENGTH = 0.1
"""Audio that lacks no more than a chunk of this many seconds is as long as the recording."""


class ReplayRecogniser:
    """A ``speech.recogniser.Recogniser`` that listens to nothing.

    A recording can not answer what its session was never asked: forced ends of utterances,
    a new configuration and questions about voices change nothing in it.
    """

    def __init__(self, recording: Recording, rate: int) -> None:
        self._recording = recording
        self._rate = rate
        self._received = 0
        self._next = 0

    def begin(self) -> list[Heard]:
        return []

    def feed(self, samples: Samples) -> list[Heard]:
        self._received += len(samples)
        return self._play(self._received / self._rate)

    def end_utterance(self, at: float | None) -> list[Heard]:
        return []

    def configure(self, config: TranscriptionConfig) -> None:
        """Nothing to configure."""

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        return ()

    def finish(self, duration: float) -> list[Heard]:
        whole = duration + SAME_LENGTH >= self._recording.duration
        return self._play(self._recording.duration if whole else duration)

    def _play(self, up_to: float) -> list[Heard]:
        messages = self._recording.messages
        begin = self._next
        while self._next < len(messages) and self._is_due(up_to):
            self._next += 1
        return [Recorded(recorded.message) for recorded in messages[begin : self._next]]

    def _is_due(self, up_to: float) -> bool:
        return self._recording.messages[self._next].audio_seconds <= up_to + TOLERANCE
