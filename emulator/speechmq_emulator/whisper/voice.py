"""Where utterances begin and end, from one probability of speech each 32 ms. Pure."""

from dataclasses import dataclass

FRAME_SAMPLES = 512
FRAME_SECONDS = FRAME_SAMPLES / 16000
RUN_UP_SECONDS = 0.4
"""An utterance's audio begins this long before the voice was noticed."""

_BEGIN = 0.5
_GO_ON = 0.35
_ONSET_FRAMES = 3


@dataclass(slots=True)
class Endpointer:
    """``quiet`` is the seconds since the last voice."""

    in_utterance: bool = False
    quiet: float = 0.0
    _voiced: int = 0

    def push(self, probability: float) -> bool:
        """Take one frame's probability; True when an utterance begins with it."""
        if probability >= (_GO_ON if self.in_utterance else _BEGIN):
            self._voiced += 1
            self.quiet = 0.0
        else:
            self._voiced = 0
            self.quiet += FRAME_SECONDS
        if self.in_utterance or self._voiced < _ONSET_FRAMES:
            return False
        self.in_utterance = True
        return True

    def end_utterance(self) -> None:
        """What comes next is silence until voice is noticed again."""
        self.in_utterance = False
        self._voiced = 0
