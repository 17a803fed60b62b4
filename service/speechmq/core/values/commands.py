"""What a publisher may ask of the recognition in mid-stream, at a place in the audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...speechmatics import messages as upstream


@dataclass(frozen=True, slots=True)
class ChangeConfig:
    """``config`` has the fields that change; it holds for all sessions that follow."""

    config: Mapping[str, Any]

    def to_wire(self) -> str:
        return upstream.set_recognition_config(self.config)


@dataclass(frozen=True, slots=True)
class ForceUtterance:
    """Settle everything up to ``timestamp`` in seconds; nothing is its place in the audio.

    Of ``channel`` only, or of all.
    """

    timestamp: float | None = None
    channel: str | None = None

    def to_wire(self) -> str:
        return upstream.force_end_of_utterance(self.timestamp, self.channel)


@dataclass(frozen=True, slots=True)
class TellSpeakers:
    """Tell the voices told apart: now, or once at the end."""

    final: bool = False

    def to_wire(self) -> str:
        return upstream.get_speakers(final=self.final)


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """No more audio of ``channel`` comes."""

    channel: str


Command: TypeAlias = ChangeConfig | ForceUtterance | TellSpeakers | CloseChannel


class Overrides:
    """Every ``ChangeConfig`` of the stream, by its ``seq``: which of them a session must begin with
    depends on where in the audio it begins."""

    def __init__(self, changes: Mapping[int, Mapping[str, Any]]) -> None:
        self._changes = dict(changes)

    def add(self, seq: int, config: Mapping[str, Any]) -> None:
        self._changes[seq] = config

    def before(self, seq: int) -> dict[str, Any]:
        """What has changed before message ``seq``, the later over the earlier."""
        # A session hears the changes after ``seq`` in their places in the audio.
        merged: dict[str, Any] = {}
        for at in sorted(self._changes):
            if at < seq:
                merged |= self._changes[at]
        return merged

    def settled_before(self, seq: int) -> dict[int, dict[str, Any]]:
        """All changes; those before ``seq`` are put together."""
        # What would else grow with every change of a long stream: no session begins among them.
        later = {at: dict(config) for at, config in self._changes.items() if at >= seq}
        merged = self.before(seq)
        settled = {seq - 1: merged} if merged else {}
        self._changes = {**settled, **later}
        return settled | later
