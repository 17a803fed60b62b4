"""Keys: how a request may carry one."""

import pytest
from websockets.datastructures import Headers

from speechmq_emulator.keys import KeyRing

RING = KeyRing(["dev", "k\u00e9y"])


@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        ("/v2", ["Bearer dev"]),
        ("/v2", ["BEARER  dev "]),
        ("/v2", ["Basic x", "Bearer dev"]),
        ("/v2?jwt=dev", []),
        ("/v2?jwt=wrong&jwt=dev", []),
        ("/v2?jwt=k%C3%A9y", ["Bearer wrong"]),
    ],
)
def test_key_ring_admits_a_known_key(path: str, authorization: list[str]) -> None:
    assert RING.admits(path, Headers([("Authorization", value) for value in authorization]))


@pytest.mark.parametrize(
    ("path", "authorization"),
    [
        ("/v2", []),
        ("/v2", ["dev"]),
        ("/v2", ["Bearer"]),
        ("/v2", ["Bearer de"]),
        ("/v2", ["Bearer dev dev"]),
        ("/v2?jwt=\udcff", []),
        ("/v2?JWT=dev", []),
        ("/v2?jwt=", []),
        ("/dev", []),
    ],
)
def test_key_ring_admits_nothing_else(path: str, authorization: list[str]) -> None:
    assert not RING.admits(path, Headers([("Authorization", value) for value in authorization]))


@pytest.mark.parametrize("keys", [[], [""]])
def test_key_ring_needs_a_key(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="at least one API key"):
        KeyRing(keys)


def test_key_ring_does_not_show_its_keys() -> None:
    assert "dev" not in repr(RING)
