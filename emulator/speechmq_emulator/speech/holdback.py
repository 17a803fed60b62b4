"""Keeping back the end of a final while what it says may go on: ``max_delay_mode: flexible``.

What is kept back begins the next final instead, so finals tile the timeline as before and
no word is lost, repeated or moved.
"""

from collections.abc import Callable, Sequence

from speechmq_emulator.speech.events import Final, Partial, Result

MAX_HELD_SECONDS = 2.0
"""Audio that may pass beyond ``max_delay`` before the oldest word kept back is settled."""

OpenWords = Callable[[Sequence[Result]], int]
"""How many results at the end are better kept back."""


class Holdback:
    """The newest results of one channel that are settled, but not said to be."""

    def __init__(self, open_words: OpenWords) -> None:
        self._open_words = open_words
        self._held: tuple[Result, ...] = ()
        self._start = 0.0
        """Where the next final begins, while anything is held."""

        self._end = 0.0
        self._since = 0.0
        """How far the audio was settled when the oldest result held came."""

    def final(self, final: Final, *, closing: bool) -> list[Final]:
        """What of it is final now; ``closing`` tells that nothing can follow it in time."""
        open_count = 0 if closing else self._open_words((*self._held, *final.results))
        if not self._held:
            if not open_count:
                return [final]
            self._start, self._since = final.start, final.end
        results = (*self._held, *final.results)
        self._end = final.end
        if not open_count or final.end - self._since >= MAX_HELD_SECONDS:
            return self._settle(results, final.end, forced=final.forced)
        return self._hold(results, open_count, is_new=open_count <= len(final.results))

    def partial(self, partial: Partial) -> Partial:
        """What is held is not final yet, so it is part of what is heard now."""
        if not self._held:
            return partial
        results = (*self._held, *partial.results)
        return Partial(self._start, partial.end, results, partial.forced)

    def release(self) -> list[Final]:
        """Settle what is held."""
        return self._settle(self._held, self._end) if self._held else []

    def _settle(
        self, results: tuple[Result, ...], end: float, *, forced: bool = False
    ) -> list[Final]:
        self._held = ()
        return [Final(self._start, end, results, forced)]

    def _hold(self, results: tuple[Result, ...], count: int, *, is_new: bool) -> list[Final]:
        settled, self._held = results[:-count], results[-count:]
        if is_new:
            self._since = self._end
        cut = min(max(self._start, _start(self._held[0])), self._end)
        if not settled and cut == self._start:
            return []
        start, self._start = self._start, cut
        return [Final(start, cut, settled)]


def _start(result: Result) -> float:
    return getattr(result, "start", 0.0)
