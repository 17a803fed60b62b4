"""Where utterances begin and end, from one voice decision a frame.

Pure: frames of 20 ms go in as booleans. An utterance begins when most of the last 140 ms
are voice, so a click does not begin one; a frame counts as quiet while the last 100 ms
have hardly any voice, so a click does not prolong one.
"""

from collections import deque

FRAME_SECONDS = 0.02
RUN_UP_SECONDS = 0.3
"""An utterance's audio begins this long before the voice was noticed."""

_ONSET_WINDOW = 7
_ONSET_VOICED = 5
_QUIET_WINDOW = 5
_QUIET_VOICED = 2


class Endpointer:
    """``quiet_frames`` counts the frames since the last voice, in an utterance or not."""

    def __init__(self) -> None:
        self.in_utterance = False
        self.quiet_frames = 0
        self._recent: deque[bool] = deque(maxlen=_ONSET_WINDOW)

    def push(self, voiced: bool) -> bool:
        """Take one frame's decision; True when an utterance begins with it."""
        self._recent.append(voiced)
        recent = list(self._recent)
        if sum(recent[-_QUIET_WINDOW:]) > _QUIET_VOICED:
            self.quiet_frames = 0
        elif self.quiet_frames == 0:
            # It takes a few quiet frames to know that it is quiet; they were quiet all the same.
            self.quiet_frames = _QUIET_WINDOW - _QUIET_VOICED
        else:
            self.quiet_frames += 1
        if self.in_utterance or sum(recent) < _ONSET_VOICED:
            return False
        self.in_utterance = True
        return True

    def end_utterance(self) -> None:
        """What comes next is silence until voice is noticed anew."""
        self.in_utterance = False
        self._recent.clear()
