"""How finals tile a session's timeline.

Each final begins where the one before it ended, silence is covered by empty finals about
every 0.36 s, and an ``EndOfUtterance`` stands 0.08 s behind the final that it closes: the
shape of the real service's sessions. Positions are samples, so nothing drifts; what comes
out is in seconds. Decides no words: an engine says which are settled.
"""

from collections.abc import Sequence

from speechmq_emulator.speech.events import Final, Partial, Result, Transcript, UtteranceEnded

SILENT_FINAL_SECONDS = 0.36
UTTERANCE_END_SECONDS = 0.08


class Timeline:
    """The finals of one stream; ``covered`` is the sample that the newest one reaches."""

    def __init__(self, rate: int, *, partials: bool) -> None:
        self.covered = 0
        self._rate = rate
        self._partials = partials
        self._covered_seconds = 0.0

    def seconds(self, position: int) -> float:
        return position / self._rate

    def partial(self, results: Sequence[Result], end: int) -> list[Transcript]:
        """What is heard up to ``end``; nothing when the client wants no partials."""
        if not self._partials:
            return []
        end = max(end, self.covered)
        return [Partial(self._covered_seconds, self.seconds(end), tuple(results))]

    def final(self, results: Sequence[Result], end: int) -> list[Transcript]:
        """Settle everything up to ``end``, which may not lie before ``covered``."""
        if end < self.covered:
            raise ValueError(f"final ends at sample {end}, but {self.covered} are covered already")
        start = self._covered_seconds
        self.covered, self._covered_seconds = end, self.seconds(end)
        return [Final(start, self._covered_seconds, tuple(results))]

    def silence(self, up_to: int) -> list[Transcript]:
        """Cover silence in whole steps, as far as they fit before ``up_to``."""
        step = round(SILENT_FINAL_SECONDS * self._rate)
        events: list[Transcript] = []
        while self.covered + step <= up_to:
            events += self.final((), self.covered + step)
            events += self.partial((), self.covered)
        return events

    def utterance_end(self, at: int, results: Sequence[Result] = ()) -> list[Transcript]:
        """Settle what the utterance still lacks, then say that it ended at ``at``."""
        close = max(self.covered, at - round(UTTERANCE_END_SECONDS * self._rate))
        events: list[Transcript] = []
        if results or close > self.covered:
            events += self.final(results, close)
        events += self.partial((), self.covered)
        return [*events, UtteranceEnded(self.seconds(at))]

    def close(self, duration: float, results: Sequence[Result] = ()) -> list[Transcript]:
        """The last final, to the end of the audio; none when nothing is left to settle."""
        if not results and duration <= self._covered_seconds:
            return []
        return [Final(self._covered_seconds, max(duration, self._covered_seconds), tuple(results))]
