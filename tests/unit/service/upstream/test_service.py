"""What the upstream does without any network: it chooses, holds back, and listens."""

from __future__ import annotations

from typing import Any, cast

import pytest

from speechmq.errors import AccountFull
from speechmq.settings.upstream import UpstreamSettings
from speechmq.speechmatics.messages import ErrorReceived, InfoReceived, RecognitionStarted
from speechmq.upstream.account import Account
from speechmq.upstream.service import Access, AccountedConnection, Upstream
from speechmq_schemas import (
    ContractError,
    CreateTemporaryKey,
    FieldError,
    RawAudioFormat,
    StartStream,
    TranscriptionConfig,
)

NOWHERE = "ws://127.0.0.1:1/v2"
EU, US = "wss://eu.rt.speechmatics.com/v2", "wss://us.rt.speechmatics.com/v2"


def start(**parts: Any) -> StartStream:
    return StartStream(
        stream_id="one",
        audio_format=RawAudioFormat(type="raw", encoding="pcm_s16le", sample_rate=8000),
        transcription_config=TranscriptionConfig(language="en"),
        **parts,
    )


def upstream_of(**settings: Any) -> Upstream:
    return Upstream(UpstreamSettings.model_validate(settings), lambda: 0.0)


def refused(upstream: Upstream, **parts: Any) -> ContractError:
    with pytest.raises(ContractError) as caught:
        upstream.access(start(**parts))
    return caught.value


def used(access: Access) -> tuple[str, tuple[str, ...]]:
    return access.credential.name, access.urls


# --- What a start may use --------------------------------------------------------------------

TWO = {
    "url": "eu",
    "fallback_urls": ["us"],
    "api_key": "k",
    "credentials": {"clinic": {"url": NOWHERE, "fallback_urls": ["eu", NOWHERE]}},
}


def test_start_that_names_nothing_gets_the_default_credential_and_all_of_its_regions() -> None:
    assert used(upstream_of(**TWO).access(start())) == ("default", (EU, US))


def test_start_may_name_the_default_credential() -> None:
    assert used(upstream_of(**TWO).access(start(credential="default"))) == ("default", (EU, US))


def test_start_that_names_a_credential_gets_its_regions_each_once() -> None:
    access = upstream_of(**TWO).access(start(credential="clinic"))
    assert used(access) == ("clinic", (NOWHERE, EU))
    assert access.regions == 2


@pytest.mark.parametrize(
    ("region", "url"), [("eu", EU), ("us", US), (EU, EU)], ids=["first", "second", "by its URL"]
)
def test_start_that_names_a_region_stays_in_it(region: str, url: str) -> None:
    assert used(upstream_of(**TWO).access(start(region=region))) == ("default", (url,))


def test_start_with_an_unknown_credential_is_refused_by_the_field() -> None:
    reason = "the workers have no credential 'bank'; see SPEECHMQ_UPSTREAM__CREDENTIALS"
    error = refused(upstream_of(**TWO), credential="bank")
    assert (error.code, error.fields) == ("unknown_credential", (FieldError("credential", reason),))
    assert error.reason == f"StartStream cannot be served: credential: {reason}"


@pytest.mark.parametrize("region", ["us", US, "mars", "ws://[::1/v2", "?", f"{EU}?jwt=x"])
def test_start_never_leaves_the_regions_of_its_credential(region: str) -> None:
    reason = f"credential 'clinic' may be used at {NOWHERE}, {EU} only"
    error = refused(upstream_of(**TWO), credential="clinic", region=region)
    assert (error.code, error.fields) == ("region_not_allowed", (FieldError("region", reason),))


def test_refusal_of_a_region_shows_no_secret_of_a_url() -> None:
    upstream = upstream_of(url="wss://u:hush@host/v2?jwt=hush")
    assert "hush" not in refused(upstream, region="eu").reason


async def test_key_of_a_credential_without_one_is_refused_by_the_field() -> None:
    with pytest.raises(ContractError) as caught:
        await upstream_of(**TWO).temporary_key(CreateTemporaryKey(ttl=60, credential="clinic"))
    reason = "credential 'clinic' has no API key to make another key with"
    assert (caught.value.code, caught.value.fields) == (
        "no_api_key",
        (FieldError("credential", reason),),
    )


# --- What holds a stream back ----------------------------------------------------------------


async def test_connection_is_not_even_tried_while_the_account_is_full() -> None:
    upstream = upstream_of(url=NOWHERE)
    upstream.accounts["default"].told(2, 2)
    with pytest.raises(AccountFull, match=r"'default' \(2 of 2\) are all in use; audio waits"):
        async with upstream.access(start()).connect(0):
            pytest.fail("Nobody listens there.")


def test_full_account_holds_back_no_other() -> None:
    upstream = upstream_of(**TWO)
    upstream.accounts["clinic"].told(2, 2)
    assert {name: one.is_full for name, one in upstream.accounts.items()} == {
        "default": False,
        "clinic": True,
    }


def seat(account: Account) -> AccountedConnection:
    return AccountedConnection(cast("Any", None), account)


def test_session_tells_its_account_what_upstream_says_of_it() -> None:
    account = Account(lambda: 0.0)
    seat(account).note(InfoReceived("concurrent_session_usage", usage=1, quota=3))
    assert (account.usage, account.quota, account.is_full) == (1, 3, False)


@pytest.mark.parametrize(("usage", "quota"), [(None, 3), (1, None), (None, None)])
def test_info_that_tells_half_of_it_is_passed_over(
    usage: float | None, quota: float | None
) -> None:
    account = Account(lambda: 0.0)
    seat(account).note(InfoReceived("recognition_quality", usage=usage, quota=quota))
    assert (account.usage, account.quota) == (None, None)


def test_session_has_its_seat_when_recognition_has_started() -> None:
    session = seat(Account(lambda: 0.0))
    assert not session.is_taken
    session.note(RecognitionStarted("u"))
    assert session.is_taken


def test_session_that_was_refused_for_the_quota_fills_the_account() -> None:
    account = Account(lambda: 0.0)
    session = seat(account)
    session.note(ErrorReceived("quota_exceeded"))
    assert (account.is_full, session.is_taken) == (True, False)


def test_other_errors_say_nothing_of_the_account() -> None:
    account = Account(lambda: 0.0)
    seat(account).note(ErrorReceived("job_error"))
    assert not account.is_full
