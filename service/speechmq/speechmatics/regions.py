"""Regions by name, and what may be shown of an address. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from yarl import URL

REGIONS: Mapping[str, str] = MappingProxyType(
    {name: f"wss://{name}.rt.speechmatics.com/v2" for name in ("eu", "us", "global")}
)
"""``global`` leads to the nearest: it promises no residency."""


def address_of(region: str) -> str:
    """The URL of a region, or what is a URL already."""
    return REGIONS.get(region, region)


UNREADABLE = "(a URL that cannot be read)"


def shown(url: str) -> str:
    """What may be shown of a URL: a key may be in its query, a password before its host."""
    try:
        return str(URL(url).with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        return UNREADABLE
