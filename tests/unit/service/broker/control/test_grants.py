"""What a publisher may ask for, by its user."""

from __future__ import annotations

from typing import Any

import pytest

from speechmq.broker.control.grants import Grants
from speechmq.settings import LimitsSettings
from speechmq_schemas import (
    ContractError,
    CreateTemporaryKey,
    RawAudioFormat,
    StartStream,
    TranscriptionConfig,
)

USERS = {
    "acme": {"stream_prefix": "acme-", "key_credentials": ["clinic"], "key_ttl": 600},
    "bank": {"stream_prefix": "bank-"},
}


def grants(users: dict[str, Any] | None = None, **limits: Any) -> Grants:
    return Grants(LimitsSettings.model_validate({"users": users or {}, **limits}))


def start(stream_id: str, idle_timeout: float | None = None) -> StartStream:
    return StartStream(
        stream_id=stream_id,
        audio_format=RawAudioFormat(encoding="pcm_s16le", sample_rate=8000),
        transcription_config=TranscriptionConfig(language="en"),
        idle_timeout=idle_timeout,
    )


def judged(grants: Grants, user: str | None, stream_id: str) -> str:
    try:
        grants.require_start(user, start(stream_id))
    except ContractError as error:
        return error.code
    return "allowed"


@pytest.mark.parametrize(
    ("user", "stream_id", "expected"),
    [
        ("acme", "acme-1", "allowed"),
        ("acme", "bank-1", "id_not_allowed"),
        ("acme", "other", "id_not_allowed"),
        ("bank", "acme-1", "id_not_allowed"),
        ("someone", "other", "allowed"),
        ("someone", "acme-1", "id_not_allowed"),
        (None, "other", "allowed"),
        (None, "acme-1", "id_not_allowed"),
    ],
)
def test_prefix_of_a_user_is_no_other_users(
    user: str | None, stream_id: str, expected: str
) -> None:
    assert judged(grants(USERS), user, stream_id) == expected


def test_any_user_may_start_any_stream_where_no_prefix_is_given() -> None:
    assert judged(grants(), None, "acme-1") == "allowed"


def test_star_holds_for_every_user_without_an_entry() -> None:
    found = grants({"*": {"stream_prefix": "x-"}, "acme": {}})
    judgements = [judged(found, user, "x-1") for user in ("acme", "someone", None)]
    assert judgements == ["id_not_allowed", "allowed", "allowed"]


@pytest.mark.parametrize(("asked", "is_allowed"), [(None, True), (60.0, True), (60.1, False)])
def test_idle_timeout_has_an_operators_maximum(asked: float | None, is_allowed: bool) -> None:
    found = grants(idle_timeout=60.0)
    if is_allowed:
        found.require_start("acme", start("a", asked))
        return
    with pytest.raises(ContractError) as caught:
        found.require_start("acme", start("a", asked))
    assert (caught.value.code, caught.value.fields[0].path) == (
        "idle_timeout_too_long",
        "idle_timeout",
    )


@pytest.mark.parametrize(
    ("users", "user", "credential", "ttl", "expected"),
    [
        ({}, "acme", "default", 60, "key_not_allowed"),
        (USERS, None, "clinic", 60, "key_not_allowed"),
        (USERS, "bank", "clinic", 60, "key_not_allowed"),
        (USERS, "acme", "default", 60, "key_not_allowed"),
        (USERS, "acme", "clinic", 601, "ttl_too_long"),
        (USERS, "acme", "clinic", 600, "allowed"),
        ({"*": {"key_credentials": ["default"]}}, None, "default", 3600, "allowed"),
    ],
)
def test_key_is_made_for_users_that_may_have_it(
    users: dict[str, Any], user: str | None, credential: str, ttl: int, expected: str
) -> None:
    assert key_judged(grants(users), user, credential, ttl) == expected


def key_judged(found: Grants, user: str | None, credential: str, ttl: int) -> str:
    try:
        found.require_key(user, CreateTemporaryKey(ttl=ttl), credential)
    except ContractError as error:
        return error.code
    return "allowed"
