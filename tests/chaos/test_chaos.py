"""No word is lost, none comes twice and none is at a wrong time, whatever fails meanwhile."""

from __future__ import annotations

import logging

import pytest
from tests.chaos.node import find_script
from tests.chaos.run import run
from tests.chaos.schedule import WEIGHTS, Load, schedule

from speechmq.dev.rabbitmq_errors import DevelopmentBrokerError

# A neighbour may take the processor for seconds: a late chunk must not become a gap by that, nor
# a stalled end take a minute.
PATIENT = {
    "SPEECHMQ_SESSION__GAP_TIMEOUT": "15",
    "SPEECHMQ_SESSION__END_TIMEOUT": "15",
    "SPEECHMQ_SESSION__ANSWER_TIMEOUT": "8",
}


@pytest.fixture(autouse=True)
def broker_of_its_own() -> None:
    """The run stops and kills its broker, so that it needs one that is installed here."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    try:
        find_script()
    except DevelopmentBrokerError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(600)
async def test_no_word_is_lost_or_repeated_through_three_minutes_of_faults() -> None:
    load = Load(workers=2, streams=8, seconds=150.0, every=3.0, lengths=(5.0, 30.0))
    report = await run(load, seed=4, settings=PATIENT, settling=240.0)
    assert report.is_good, str(report)
    assert report.verdict.words >= 1000, str(report)
    assert report.done.total() >= 25, str(report)


@pytest.mark.timeout(300)
async def test_words_are_seen_to_be_lost_when_audio_is_acknowledged_as_soon_as_it_is_read() -> None:
    load = Load(workers=2, streams=6, seconds=20.0, every=2.0, lengths=(10.0, 20.0))
    kinds = frozenset({"upstream: drop", "worker: kill -9", "upstream: all dropped at once"})
    mutated = ("-m", "tests.chaos.mutated_worker")
    report = await run(load, seed=1, kinds=kinds, settings=PATIENT, command=mutated, settling=60.0)
    assert report.verdict.lost > 0, str(report)
    assert not report.is_good


def test_schedule_is_the_same_for_a_seed_and_holds_every_kind() -> None:
    strikes = schedule(Load(), 1)
    assert strikes == schedule(Load(), 1)
    assert strikes != schedule(Load(), 2)
    assert {strike.kind for strike in strikes} == set(WEIGHTS)
    assert [strike.at for strike in strikes] == [2.0 * (n + 1) for n in range(150)]
