"""Keys: how a request may carry one, and what it is told when it has none that admits it."""

import pytest
from websockets.datastructures import Headers

from speechmq_emulator.keys import KeyRing
from speechmq_emulator.tokens import KeyRefused, TemporaryKeys

TEMPORARY = TemporaryKeys("secret", clock=lambda: 1000.0)
GOOD = TEMPORARY.issue(60)
EXPIRED = TemporaryKeys("secret", clock=lambda: 900.0).issue(60)
FORGED = TemporaryKeys("other", clock=lambda: 1000.0).issue(60)

NO_KEY = "No key; send it as Authorization: Bearer KEY or as ?jwt=KEY"
UNKNOWN = "Unknown API key; the operator of this server names the known ones"
NOT_OURS = (
    "The temporary key was not issued by this server, or was changed on its way; ask "
    "POST /v1/api_keys?type=rt for a new one"
)
TOO_OLD = "The temporary key expired 40 s ago; ask POST /v1/api_keys?type=rt for a new one"


def ring() -> KeyRing:
    return KeyRing(["dev", "k\u00e9y"], TEMPORARY)


def headers(authorizations: list[str]) -> Headers:
    return Headers([("Authorization", value) for value in authorizations])


@pytest.mark.parametrize(
    ("query", "authorizations"),
    [
        ("", ["Bearer dev"]),
        ("", ["BEARER  dev "]),
        ("", ["Basic x", "Bearer dev"]),
        ("jwt=dev", []),
        ("jwt=wrong&jwt=dev", []),
        ("jwt=k%C3%A9y", ["Bearer wrong"]),
        ("", [f"Bearer {GOOD}"]),
        (f"sm-app=x&jwt={GOOD}", []),
        (f"jwt={GOOD}", [f"Bearer {EXPIRED}"]),
    ],
)
def test_key_ring_admits_a_good_key(query: str, authorizations: list[str]) -> None:
    ring().check(query, headers(authorizations))


@pytest.mark.parametrize(
    ("query", "authorizations", "reason"),
    [
        ("", [], NO_KEY),
        ("", ["dev"], NO_KEY),
        ("", ["Bearer"], NO_KEY),
        ("", ["Basic dev"], NO_KEY),
        ("JWT=dev", [], NO_KEY),
        ("jwt=", [], NO_KEY),
        ("", ["Bearer de"], UNKNOWN),
        ("", ["Bearer dev dev"], UNKNOWN),
        ("jwt=\udcff", [], UNKNOWN),
        ("jwt=%FF", [], UNKNOWN),
        ("", [f"Bearer {EXPIRED}"], TOO_OLD),
        (f"jwt={EXPIRED}", [], TOO_OLD),
        (f"jwt={FORGED}", [], NOT_OURS),
        ("jwt=wrong", [f"Bearer {EXPIRED}"], TOO_OLD),
    ],
)
def test_key_ring_says_why_it_admits_nothing_else(
    query: str, authorizations: list[str], reason: str
) -> None:
    with pytest.raises(KeyRefused) as refused:
        ring().check(query, headers(authorizations))
    assert str(refused.value) == reason


def test_temporary_key_is_not_one_of_the_api_keys() -> None:
    assert [ring().knows(key) for key in ("dev", GOOD, "", "unknown")] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("keys", [[], [""]])
def test_key_ring_needs_a_key(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="at least one API key"):
        KeyRing(keys)


def test_key_ring_does_not_show_its_keys() -> None:
    assert "dev" not in repr(KeyRing(["dev"]))
