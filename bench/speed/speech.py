"""What the recogniser says of a stream that is talked into without a pause. Pure.

Three words a second, a partial each half second, a final each one and a half, which covers the
audio up to 0.7 s before what was heard: as with ``max_delay`` 0.7.
"""

from bench.speed.chunks import stamped_word

PARTIAL_EVERY = 0.5
PARTIALS_A_FINAL = 3
DELAY = 0.7
WORD = 1 / 3

_WORD = (
    '{"type":"word","start_time":%.2f,"end_time":%.2f,'
    '"alternatives":[{"content":"%s","confidence":0.97,"language":"en"}]}'
)
_TRANSCRIPT = (
    '{"message":"%s","format":"2.9","metadata":{"start_time":%.2f,"end_time":%.2f,'
    '"transcript":"%s"},"results":[%s]}'
)


class Speech:
    """One session's; times in seconds of its audio."""

    def __init__(self) -> None:
        self._said = 0
        self._final_to = 0.0

    def hear(self, heard: float, now: int) -> str | None:
        """What is to be said when ``heard`` seconds have come by ``now``."""
        if heard < (self._said + 1) * PARTIAL_EVERY:
            return None
        self._said += 1
        if self._said % PARTIALS_A_FINAL:
            return self._transcript("AddPartialTranscript", heard, now)
        return self._final(heard - DELAY, now)

    def end(self, heard: float, now: int) -> str:
        return self._final(heard, now)

    def _final(self, to: float, now: int) -> str:
        text = self._transcript("AddTranscript", to, now)
        self._final_to = to
        return text

    def _transcript(self, message: str, to: float, now: int) -> str:
        content, start = stamped_word(now), self._final_to
        count = max(1, round((to - start) / WORD))
        step = (to - start) / count
        words = [_WORD % (start + n * step, start + (n + 1) * step, content) for n in range(count)]
        text = " ".join([content] * count)
        return _TRANSCRIPT % (message, start, to, text, ",".join(words))
