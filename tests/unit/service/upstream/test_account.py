import pytest

from speechmq.errors import AccountFull
from speechmq.upstream.account import HOLD, Account


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Account:
    return Account(clock)


def test_account_of_which_nothing_is_known_has_room(account: Account) -> None:
    assert (account.is_full, account.usage, account.quota) == (False, None, None)


@pytest.mark.parametrize(
    ("usage", "is_full"), [(1, False), (2, True), (3, True)], ids=["room", "full", "over"]
)
def test_account_is_full_when_all_of_its_sessions_are_used(
    usage: int, is_full: bool, account: Account
) -> None:
    account.told(usage, 2)
    assert (account.is_full, account.usage, account.quota) == (is_full, usage, 2)


def test_refusal_makes_the_account_full(account: Account) -> None:
    account.refused()
    assert account.is_full


def test_account_is_full_until_the_hold_is_over(account: Account, clock: Clock) -> None:
    account.refused()
    clock.now += HOLD - 0.01
    assert account.is_full
    clock.now += 0.01
    assert not account.is_full


def test_hold_begins_anew_with_each_refusal(account: Account, clock: Clock) -> None:
    account.refused()
    clock.now += HOLD - 1
    account.refused()
    clock.now += HOLD - 1
    assert account.is_full


def test_session_that_ends_makes_room(account: Account) -> None:
    account.enter()
    account.told(2, 2)
    account.leave(began=True)
    assert not account.is_full


def test_room_that_is_told_of_does_not_end_a_hold(account: Account) -> None:
    """What one session was told at its start is older than another's refusal may be."""
    account.refused()
    account.told(1, 2)
    assert account.is_full


def test_session_that_never_began_leaves_no_room_behind(account: Account) -> None:
    """It never had a place: the next try would be refused as well."""
    account.enter()
    account.refused()
    account.leave(began=False)
    assert account.is_full


def test_worker_opens_as_many_sessions_as_its_limit_allows(clock: Clock) -> None:
    account = Account(clock, name="clinic", limit=2)
    account.enter()
    assert not account.is_full
    account.enter()
    with pytest.raises(AccountFull) as caught:
        account.enter()
    assert str(caught.value) == (
        "this worker's 2 sessions of credential 'clinic' are all in use; audio waits in the queue"
    )
    account.leave(began=False)
    account.enter()
    assert account.sessions == 2


def test_no_session_is_opened_while_the_account_is_full(account: Account) -> None:
    account.told(3, 2)
    with pytest.raises(AccountFull, match=r"^the concurrent sessions of credential 'default' "):
        account.enter()
    assert account.sessions == 0
