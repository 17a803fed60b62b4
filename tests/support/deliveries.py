"""What a stream's owner holds of its queue, for tests without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Nothing:
    """No delivery came."""

    def unsettled(self) -> tuple[int | None, int]:
        return None, 0

    def headers_of(self, _tag: int) -> Mapping[str, Any] | None:
        return None


@dataclass
class Held(Nothing):
    """Deliveries by their tags."""

    headers: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def headers_of(self, tag: int) -> Mapping[str, Any] | None:
        return self.headers.get(tag)
