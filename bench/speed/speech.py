"""What the recogniser says of a stream that is talked into without a pause. Pure.

Three words a second; a final covers the audio up to 0.7 s before what was heard: as with
``max_delay`` 0.7.
"""

from dataclasses import dataclass, replace

from bench.speed.chunks import stamped_word

DELAY = 0.7
WORD = 1 / 3
# A sum of tenths of seconds may be that much too small.
_HAIR = 1e-6

_WORD = (
    '{"type":"word","start_time":%.2f,"end_time":%.2f,'
    '"alternatives":[{"content":"%s","confidence":0.97,"language":"en"}]}'
)
_TRANSCRIPT = (
    '{"message":"%s","format":"2.9","metadata":{"start_time":%.2f,"end_time":%.2f,'
    '"transcript":"%s"},"results":[%s]}'
)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from one to the next, where a final is said if both are due; and seconds by which all
    that upstream says is late, as from a ``distance``."""

    partials: float = 0.5
    finals: float = 1.5
    distance: float = 0.0

    def hastened(self, times: int) -> "Pace":
        return replace(self, partials=self.partials / times, finals=self.finals / times)

    @property
    def arguments(self) -> list[str]:
        """As a process takes them."""
        return [str(self.partials), str(self.finals), str(self.distance)]


class Speech:
    """One session's; times in seconds of its audio.

    ``lead`` is how far the first final is ahead of its time: streams that begin together would
    else have their finals together, for ever.
    """

    def __init__(self, lead: float = 0.0, pace: Pace = Pace()) -> None:  # frozen
        self._pace = pace
        self._lead = lead
        self._partials = int(lead / pace.partials)
        self._finals = int(lead / pace.finals)
        self._final_to = 0.0

    def hear(self, heard: float, now: int) -> str | None:
        """What is to be said when ``heard`` seconds have come by ``now``."""
        at = heard + self._lead + _HAIR
        partials, finals = int(at / self._pace.partials), int(at / self._pace.finals)
        if finals > self._finals:
            self._partials, self._finals = partials, finals
            return self._final(max(self._final_to, heard - DELAY), now)
        if partials > self._partials:
            self._partials = partials
            return self._transcript("AddPartialTranscript", heard, now)
        return None

    def end(self, heard: float, now: int) -> str:
        return self._final(heard, now)

    def _final(self, to: float, now: int) -> str:
        text = self._transcript("AddTranscript", to, now)
        self._final_to = to
        return text

    def _transcript(self, message: str, to: float, now: int) -> str:
        content, start = stamped_word(now), self._final_to
        count = round((to - start) / WORD)
        step = (to - start) / max(1, count)
        words = [_WORD % (start + n * step, start + (n + 1) * step, content) for n in range(count)]
        text = " ".join([content] * count)
        return _TRANSCRIPT % (message, start, to, text, ",".join(words))
