"""Temporary keys: what is in them, and which are believed."""

import base64
import json

import jwt
import pytest

from speechmq_emulator.tokens import KeyRefused, TemporaryKeys, looks_temporary

SECRET = "a secret of two processes"
NOT_OURS = (
    "The temporary key was not issued by this server, or was changed on its way; ask "
    "POST /v1/api_keys?type=rt for a new one"
)


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def temporary_keys(clock: Clock, secret: str | None = SECRET) -> TemporaryKeys:
    return TemporaryKeys(secret, clock=clock, new_id=lambda: "id-1")


def claims_of(key: str) -> object:
    return jwt.decode(key, options={"verify_signature": False})


def refusal(keys: TemporaryKeys, key: str) -> str:
    with pytest.raises(KeyRefused) as refused:
        keys.check(key)
    return str(refused.value)


def test_key_carries_its_claims() -> None:
    key = temporary_keys(Clock(1000.9)).issue(60, "rt", "customer 7")
    assert jwt.get_unverified_header(key) == {"alg": "HS256", "typ": "JWT"}
    assert claims_of(key) == {
        "iat": 1000,
        "exp": 1060,
        "jti": "id-1",
        "type": "rt",
        "client_ref": "customer 7",
    }


def test_key_without_a_client_ref_has_no_such_claim() -> None:
    key = temporary_keys(Clock(1000)).issue(60)
    assert claims_of(key) == {"iat": 1000, "exp": 1060, "jti": "id-1", "type": "rt"}


def test_keys_have_ids_of_their_own() -> None:
    keys = TemporaryKeys(clock=Clock(1000))
    assert keys.issue(60) != keys.issue(60)


def test_key_is_good_until_its_last_second_has_passed() -> None:
    clock = Clock(1000)
    keys = temporary_keys(clock)
    key = keys.issue(60)
    clock.now = 1059.99
    keys.check(key)
    clock.now = 1060
    assert refusal(keys, key) == (
        "The temporary key expired 0 s ago; ask POST /v1/api_keys?type=rt for a new one"
    )
    clock.now = 1095.5
    assert refusal(keys, key) == (
        "The temporary key expired 35 s ago; ask POST /v1/api_keys?type=rt for a new one"
    )


def test_key_for_another_product_does_not_open_realtime() -> None:
    keys = temporary_keys(Clock(1000))
    assert refusal(keys, keys.issue(60, "batch")) == (
        "The temporary key is for 'batch'; ask POST /v1/api_keys?type=rt for one that opens "
        "Realtime"
    )


def test_key_is_good_wherever_the_secret_is_known() -> None:
    key = temporary_keys(Clock(1000)).issue(60)
    temporary_keys(Clock(1001)).check(key)


@pytest.mark.parametrize("secret", ["another secret", None])
def test_key_is_good_nowhere_else(secret: str | None) -> None:
    key = temporary_keys(Clock(1000)).issue(60)
    assert refusal(temporary_keys(Clock(1000), secret), key) == NOT_OURS


def segment(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_key_whose_claims_were_changed_is_not_believed() -> None:
    keys = temporary_keys(Clock(1000))
    header, _, signature = keys.issue(60).split(".")
    longer = segment(json.dumps({"iat": 1000, "exp": 9999, "jti": "id-1", "type": "rt"}))
    assert refusal(keys, f"{header}.{longer}.{signature}") == NOT_OURS


def test_key_that_claims_to_need_no_signature_is_not_believed() -> None:
    forged = jwt.encode({"exp": 9999, "type": "rt"}, "", "none")
    assert refusal(temporary_keys(Clock(1000)), forged) == NOT_OURS


@pytest.mark.parametrize(
    "key",
    ["", "..", "a.b.c", "\udcff.x.y", "é.é.é", "." * 8000, f"{segment('[' * 5000)}.e30.e30"],
    ids=["empty", "dots", "letters", "surrogate", "accents", "many dots", "nested"],
)
def test_rubbish_is_not_believed(key: str) -> None:
    assert refusal(temporary_keys(Clock(1000)), key) == NOT_OURS


def test_token_of_another_program_with_the_secret_is_not_believed() -> None:
    keys = temporary_keys(Clock(1000))
    foreign = jwt.encode({"sub": "somebody"}, keys._secret, "HS256")
    assert refusal(keys, foreign) == NOT_OURS


def test_secret_is_not_shown() -> None:
    assert SECRET not in repr(temporary_keys(Clock(1000)))


@pytest.mark.parametrize(("key", "expected"), [("a.b.c", True), ("dev", False), ("a.b", False)])
def test_form_of_a_temporary_key(key: str, expected: bool) -> None:
    assert looks_temporary(key) is expected
