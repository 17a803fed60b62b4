"""Moves upstream's results onto the stream's clock, and trims what was said before.

Upstream counts seconds from the first sample of its session; a stream outlives its sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...speechmatics.messages import MalformedMessage, Metadata
from ..values.events import Results

Result = dict[str, Any]
Relabel = Callable[[str], str]

# Seconds by which two sessions may differ about where a word ends.
WORD_END_JITTER = 0.1

_results = msgspec.json.Decoder(list[Result])


class Relocation:
    """Where one session stands on the stream's clock, in seconds.

    Results whose midpoint lies at or before ``watermark`` were published by an earlier session.
    ``relabel`` gives speakers the names that they have on the stream.
    """

    __slots__ = ("_delimiter", "_relabel", "_watermark", "origin")

    def __init__(
        self,
        origin: float,
        watermark: float,
        delimiter: str = " ",
        relabel: Relabel | None = None,
    ) -> None:
        self.origin = origin
        self._relabel = relabel
        self._watermark = watermark
        self._delimiter = delimiter

    def time(self, seconds: float) -> float:
        # To the microsecond, which is finer than a sample; the first session's stay as they are.
        return round(self.origin + seconds, 6) if self.origin else seconds

    def is_repeated(self, end_time: float) -> bool:
        """Whether a segment that ends there says nothing new. Argument on the stream's clock."""
        return end_time <= self._watermark and self._watermark > 0

    def has_published(self, end_time: float) -> bool:
        """As ``is_repeated``, of a time of the session."""
        return self.is_repeated(self.time(end_time))

    def moved(self, times: Mapping[str, Any]) -> dict[str, Any]:
        """A copy with its times on the stream's clock."""
        return self._move_all([dict(times)])[0]

    @staticmethod
    def words(results: msgspec.Raw | list[Result]) -> list[Result]:
        return _decode(results) if isinstance(results, msgspec.Raw) else results

    def sentences(self, raw: msgspec.Raw, watermark: float | None = None) -> list[Result]:
        """The sentences of a translation on the stream's clock, without those of which nothing lies
        after ``watermark``."""
        # Another session may cut sentences elsewhere. One that was translated in part is published
        # whole: some words twice rather than a word not at all.
        results = self._move_all(_decode(raw))
        return [one for one in results if watermark is None or _reaches_behind(one, watermark)]

    def move(self, metadata: Metadata, raw: msgspec.Raw) -> tuple[float, float, str, Results]:
        """Start, end, transcript and results on the stream's clock.

        Raises ``MalformedMessage`` when ``raw`` is not a list of results.
        """
        start, end = self.time(metadata.start_time), self.time(metadata.end_time)
        # The audio before the watermark is replayed only so that the recogniser has a run-up.
        trims = start < self._watermark
        if not trims and not self.origin and self._relabel is None:
            # Results stay bytes while they need no change.
            _require_list(raw)
            return start, end, metadata.transcript, raw
        results = self._move_all(_decode(raw))
        if not trims:
            return start, end, metadata.transcript, results
        # By the midpoint: two sessions may differ a little about where a word begins and ends.
        kept = [result for result in results if _midpoint(result) > self._watermark]
        return self._watermark, end, join(kept, self._delimiter), kept

    def _move_all(self, results: list[Result]) -> list[Result]:
        try:
            moved = [shifted(result, self.origin) for result in results]
            if self._relabel is not None:
                rename_speakers(moved, self._relabel)
        # Upstream's results are any JSON: a huge number or a deep nest costs the session alone.
        except (OverflowError, RecursionError) as error:
            raise MalformedMessage(f"upstream sent results that cannot be read: {error}") from error
        return moved


def _require_list(raw: msgspec.Raw) -> None:
    if not bytes(raw).startswith(b"["):
        raise MalformedMessage("upstream sent results that are not a list")


def _decode(raw: msgspec.Raw) -> list[Result]:
    try:
        return _results.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise MalformedMessage(f"upstream sent results that cannot be read: {error}") from error


def shifted(result: Result, offset: float) -> Result:
    """A copy with every time moved, also inside an entity's two forms."""
    moved = dict(result)
    for field in ("start_time", "end_time"):
        if isinstance(moved.get(field), int | float):
            moved[field] = round(moved[field] + offset, 6)
    for form in ("spoken_form", "written_form"):
        if isinstance(moved.get(form), list):
            moved[form] = [shifted(part, offset) for part in moved[form] if isinstance(part, dict)]
    return moved


def rename_speakers(results: list[Result], relabel: Relabel) -> None:
    """Renames in place, also inside an entity's two forms."""
    for result in results:
        # A translated sentence has its speaker itself, a word in its alternatives.
        if isinstance(result.get("speaker"), str):
            result["speaker"] = relabel(result["speaker"])
        alternatives = result.get("alternatives")
        for alternative in alternatives if isinstance(alternatives, list) else ():
            if isinstance(alternative, dict) and isinstance(alternative.get("speaker"), str):
                alternative["speaker"] = relabel(alternative["speaker"])
        for form in ("spoken_form", "written_form"):
            if isinstance(result.get(form), list):
                rename_speakers(result[form], relabel)


def last_word_end(results: list[Result]) -> float:
    """0 where nothing was said."""
    words = (one for one in results if one.get("type") in ("word", "entity"))
    return max((_seconds(one, "end_time") for one in words), default=0.0)


def end_of(result: Result) -> float:
    return _seconds(result, "end_time")


def _reaches_behind(sentence: Result, watermark: float) -> bool:
    # By more than the end of one word may differ between two sessions, or than half its length.
    end = end_of(sentence)
    half = end - _midpoint(sentence)
    return round(end - watermark, 6) > round(min(WORD_END_JITTER, half), 6)


def _midpoint(result: Result) -> float:
    return round((_seconds(result, "start_time") + _seconds(result, "end_time")) / 2, 6)


def _seconds(result: Result, field: str) -> float:
    value = result.get(field)
    return float(value) if isinstance(value, int | float) else 0.0


def join(results: list[Result], delimiter: str) -> str:
    """The text of ``results``; punctuation attaches as it says."""
    text = ""
    glue = ""
    for result in results:
        content = _content(result)
        attaches = result.get("attaches_to", "none")
        text += ("" if attaches in ("previous", "both") else glue) + content
        glue = "" if attaches in ("next", "both") else delimiter
    return text + glue if text else ""


def _content(result: Result) -> str:
    match result.get("alternatives"):
        case [{"content": str(content)}, *_]:
            return content
        case _:
            return ""
