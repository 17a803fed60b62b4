"""What changes rarely on a stream and a successor needs: kept beside the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True)
class Memo:
    """``speakers`` are the identifiers of voices by their labels on the stream."""

    speakers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, text: bytes) -> Memo:
        """Raises ``msgspec.MsgspecError`` for anything that ``encode`` did not make."""
        return msgspec.json.decode(text, type=cls)
