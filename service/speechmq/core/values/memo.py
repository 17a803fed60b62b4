"""What changes rarely on a stream and a successor needs: kept beside the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...media.packets import Head


@dataclass(frozen=True, slots=True)
class Memo:
    """``speakers`` are the identifiers of voices by their labels on the stream; ``overrides`` what
    was changed of the configuration, by the ``seq`` of the message that changed it;
    ``tells_speakers_from`` the message that asked for the speakers at the end; ``heads`` what
    files say of themselves at their beginnings, by number."""

    speakers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: dict[int, dict[str, Any]] = field(default_factory=dict)
    tells_speakers_from: int | None = None
    heads: dict[int, Head] = field(default_factory=dict)

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, text: bytes) -> Memo:
        """Raises ``msgspec.MsgspecError`` for anything that ``encode`` did not make."""
        return msgspec.json.decode(text, type=cls)
