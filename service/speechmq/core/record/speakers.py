"""Keeps the names of voices over a stream's sessions.

Upstream numbers voices in each session from S1 again. The identifiers that it gives of them go to
the next session under labels that the API accepts, and are mapped back: S1 stays S1. A voice that
is new to a later session gets the next free number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The API refuses labels like S1 as an input.
_PREFIX = "stream-"
# No number is taken over that does not fit a checkpoint.
_NUMBERED = re.compile(r"S(\d{1,9})", re.ASCII)
UNKNOWN_VOICE = "UU"

Identifiers = tuple[str, ...]
# The API takes at most so many in one session.
MAX_IDENTIFIERS = 50


@dataclass
class Voices:
    """The voices of one stream by their labels, over all of its sessions.

    ``named`` are those that the publisher gave with the start; their labels are its own.
    """

    known: dict[str, Identifiers] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    highest: int = 0

    @classmethod
    def of(
        cls, config: Mapping[str, Any], *, told: Mapping[str, Identifiers], highest: int
    ) -> Voices:
        """Those that the publisher named, and those that a predecessor was told of."""
        speakers = (config.get("speaker_diarization_config") or {}).get("speakers") or []
        named = {one["label"]: tuple(one["speaker_identifiers"]) for one in speakers}
        voices = cls({**named, **told}, frozenset(named), highest)
        for label in told:  # the memo may be newer than the checkpoint
            voices.note(label)
        return voices

    def learn(self, told: Mapping[str, Identifiers]) -> bool:
        """Takes what upstream told, under the stream's labels; whether anything is new."""
        news = {
            label: identifiers
            for label, identifiers in told.items()
            if label != UNKNOWN_VOICE and identifiers and self.known.get(label) != identifiers
        }
        # No person is two voices: a session that did not know them may have numbered them again.
        others = {one: ids for one, ids in self.known.items() if ids not in news.values()}
        self.known = others | news
        for label in news:
            self.note(label)
        return bool(news)

    def note(self, label: str) -> None:
        """A numbered label is taken."""
        numbered = _NUMBERED.fullmatch(label)
        if numbered:
            self.highest = max(self.highest, int(numbered[1]))

    def next_free(self) -> str:
        self.highest += 1
        return f"S{self.highest}"

    def to_introduce(self) -> list[dict[str, Any]]:
        """The voices that the next session is to know, as the API wants them."""
        # The API takes so many identifiers of all voices together, not of each.
        room = MAX_IDENTIFIERS
        introduced = []
        for label, identifiers in self.known.items():
            kept = identifiers[:room]
            room -= len(kept)
            if kept:
                name = label if label in self.named else _PREFIX + label
                introduced.append({"label": name, "speaker_identifiers": list(kept)})
        return introduced


class SessionLabels:
    """What one session's labels are called on the stream.

    ``introduced`` says whether the session knows the voices of those before it.
    """

    def __init__(self, voices: Voices, *, introduced: bool) -> None:
        self._voices = voices
        self._introduced = introduced
        self._names: dict[str, str] = {}

    def __call__(self, label: str) -> str:
        name = self._names.get(label)
        if name is None:
            name = self._names[label] = self._name(label)
            self._voices.note(name)
        return name

    def _name(self, label: str) -> str:
        if label.startswith(_PREFIX) and label not in self._voices.named:
            return label.removeprefix(_PREFIX)
        # Before any identifier is known, a session's numbers are taken as they are: nothing better
        # is known.
        if self._introduced and _NUMBERED.fullmatch(label):
            return self._voices.next_free()
        return label


def tells_voices(config: Mapping[str, Any]) -> bool:
    """Whether upstream is asked to tell voices apart by labels that mean one voice each."""
    # With several channels every one of them has its own S1, and upstream does not say whose
    # identifiers are whose: those labels are each session's own.
    return config.get("diarization") == "speaker"


def introduce(config: Mapping[str, Any], voices: Voices) -> Mapping[str, Any]:
    """``transcription_config`` with the voices known so far in place of the publisher's list."""
    if not voices.known:
        return config
    diarization = dict(config.get("speaker_diarization_config") or {})
    diarization["speakers"] = voices.to_introduce()
    return {**config, "speaker_diarization_config": diarization}
