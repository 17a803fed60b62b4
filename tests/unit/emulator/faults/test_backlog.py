"""Messages that are kept back, against a clock of the test's."""

from speechmq_emulator.faults.backlog import Backlog
from speechmq_emulator.faults.fault import Delay, Withhold

ACKS = ("AudioAdded",)


def offer(backlog: Backlog, *messages: str, now: float) -> list[str]:
    """Offer messages such as "AudioAdded 1"; those that may go at once."""
    return [text for text in messages if not backlog.offer(text.split()[0], text, now)]


def due(backlog: Backlog, now: float) -> list[str]:
    return list(backlog.due(now))


def test_nothing_is_kept_without_a_rule() -> None:
    backlog = Backlog()
    assert offer(backlog, "AudioAdded 1", "Info", now=0) == ["AudioAdded 1", "Info"]
    assert backlog.release_at is None


def test_delayed_messages_go_in_order_and_let_others_pass() -> None:
    backlog = Backlog()
    backlog.keep(Delay(ACKS, by=2), now=0)
    assert offer(backlog, "AudioAdded 1", "Info", now=1) == ["Info"]
    assert offer(backlog, "AudioAdded 2", now=1.5) == []
    assert backlog.release_at == 3
    assert [due(backlog, 2.9), due(backlog, 3), due(backlog, 4)] == [
        [],
        ["AudioAdded 1"],
        ["AudioAdded 2"],
    ]
    assert len(backlog) == 0


def test_messages_behind_the_last_delayed_one_wait_for_it() -> None:
    backlog = Backlog()
    backlog.keep(Delay(ACKS, by=2, lasting=1), now=0)
    assert offer(backlog, "AudioAdded 1", now=0.9) == []
    assert offer(backlog, "AudioAdded 2", now=1) == []
    assert due(backlog, 2.9) == ["AudioAdded 1", "AudioAdded 2"]
    assert offer(backlog, "AudioAdded 3", now=2.9) == ["AudioAdded 3"]


def test_withheld_messages_go_together_at_the_end() -> None:
    backlog = Backlog()
    backlog.keep(Withhold(ACKS, lasting=5), now=10)
    assert offer(backlog, "AudioAdded 1", "AudioAdded 2", now=11) == []
    assert (due(backlog, 14.9), backlog.release_at) == ([], 15)
    assert due(backlog, 15) == ["AudioAdded 1", "AudioAdded 2"]
    assert offer(backlog, "AudioAdded 3", now=15) == ["AudioAdded 3"]


def test_what_is_withheld_for_ever_is_not_stored() -> None:
    backlog = Backlog()
    backlog.keep(Withhold((*ACKS, "EndOfTranscript")), now=0)
    assert offer(backlog, "AudioAdded 1", now=1) == []
    assert not backlog.ends_never
    assert offer(backlog, "EndOfTranscript", now=1) == []
    assert (len(backlog), backlog.release_at, backlog.ends_never) == (0, None, True)


def test_names_of_one_fault_keep_their_order_among_each_other() -> None:
    backlog = Backlog()
    backlog.keep(Delay(("AddTranscript", "EndOfUtterance"), by=1), now=0)
    offer(backlog, "AddTranscript 1", "EndOfUtterance 1", "AddTranscript 2", now=0)
    assert due(backlog, 1) == ["AddTranscript 1", "EndOfUtterance 1", "AddTranscript 2"]


def test_longer_of_two_faults_decides() -> None:
    backlog = Backlog()
    backlog.keep(Withhold(ACKS, lasting=5), now=0)
    backlog.keep(Delay(ACKS, by=1), now=0)
    offer(backlog, "AudioAdded 1", now=0)
    assert (due(backlog, 1), due(backlog, 5)) == ([], ["AudioAdded 1"])


def test_bound_tells_when_no_more_may_come() -> None:
    backlog = Backlog(bound=2)
    backlog.keep(Delay(ACKS, by=1), now=0)
    full = []
    for number in range(2):
        offer(backlog, f"AudioAdded {number}", now=0)
        full.append(backlog.full)
    assert full == [False, True]
