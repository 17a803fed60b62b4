"""URLs in settings: which of them may hold a secret, and what they may not look like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainSerializer
from yarl import URL

from ..speechmatics.regions import shown


def split_urls(listed: str) -> tuple[str, ...]:
    """A comma in a password does not end an address: only one before the next address does."""
    return tuple(one.strip() for one in re.split(r",\s*(?=amqps?://)", listed))


def secrets_of(url: str) -> Iterator[str]:
    """What must not be seen of a URL, as it stands there and as it is meant."""
    try:
        parsed = URL(url)
    except ValueError:
        return
    held = [parsed.password, parsed.raw_password, *parsed.query.values()]
    yield from (one for one in held if one)


def require_escaped(url: str) -> None:
    """A password with ``/``, ``?``, ``#`` or ``@`` ends the host too early, and stands where it is
    shown. Raises ``ValueError`` whose text holds nothing of the URL."""
    unreadable = "has no host, or a port that is none; percent-encode what is special in a password"
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        raise ValueError(unreadable) from None
    if not parsed.host or (parsed.explicit_port is not None and not port):
        raise ValueError(unreadable)
    if "@" in parsed.raw_path_qs or parsed.raw_fragment:
        raise ValueError("has an @ or # behind its host: percent-encode what is in a password")


@dataclass(frozen=True, slots=True)
class HoldsSecret:
    """Marks a setting that is no secret as a whole, and may hold one."""


MAY_HOLD_SECRET = HoldsSecret()
Address = Annotated[str, MAY_HOLD_SECRET, PlainSerializer(shown, return_type=str, when_used="json")]
