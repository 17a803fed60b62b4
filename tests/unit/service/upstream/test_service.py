"""What the upstream does without any network: it holds back, and it listens."""

from __future__ import annotations

from typing import Any, cast

import pytest

from speechmq.errors import AccountFull
from speechmq.settings import UpstreamSettings
from speechmq.upstream.account import Account
from speechmq.upstream.messages import ErrorReceived, InfoReceived, RecognitionStarted
from speechmq.upstream.service import Seat, Upstream

NOWHERE = "ws://127.0.0.1:1/v2"


def seat(account: Account) -> Seat:
    return Seat(cast("Any", None), account)


def full_account() -> Account:
    account = Account(lambda: 0.0)
    account.told(2, 2)
    return account


async def test_connection_is_not_even_tried_while_the_account_is_full() -> None:
    upstream = Upstream(UpstreamSettings(url=NOWHERE), lambda: 0.0)
    upstream.account.told(2, 2)
    with pytest.raises(AccountFull, match=r"all in use \(2 of 2\); audio waits in the queue"):
        async with upstream.connect(0):
            pytest.fail("Nobody listens there.")


def test_regions_are_the_url_and_its_fallbacks() -> None:
    settings = UpstreamSettings(url=NOWHERE, fallback_urls=("ws://a/v2", "ws://b/v2"))
    assert Upstream(settings, lambda: 0.0).regions == 3


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


def test_session_that_began_leaves_room_behind() -> None:
    account = full_account()
    session = seat(account)
    session.note(RecognitionStarted("u"))
    session.leave()
    assert not account.is_full


def test_session_that_was_refused_leaves_no_room_behind() -> None:
    """It never had a place: the next try would be refused as well."""
    account = Account(lambda: 0.0)
    session = seat(account)
    session.note(ErrorReceived("quota_exceeded"))
    session.leave()
    assert account.is_full


def test_other_errors_say_nothing_of_the_account() -> None:
    account = Account(lambda: 0.0)
    seat(account).note(ErrorReceived("job_error"))
    assert not account.is_full
