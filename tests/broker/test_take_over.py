"""What a predecessor may not have seen confirmed is told again, as it was."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.broker import Namespace
from tests.support.owners import NAMES, ByHand, by_hand
from tests.support.speaker import Heard, speaking

from speechmq.broker.amqp.plane import open_plane
from speechmq.broker.stream import failure
from speechmq.broker.stream.checkpoints import Takeover, take_over
from speechmq.broker.stream.event_publisher import EventPublisher
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.outputs import Publish
from speechmq.errors import BrokerError
from speechmq.settings import BrokerSettings
from speechmq_schemas import events as events_of_the_contract

pytestmark = pytest.mark.timeout(120)

SENTENCE = {"content": "Guten Tag.", "start_time": 0.0, "end_time": 1.0}
CHECKPOINT = Checkpoint(next_seq=7, position=4800, watermark=1.0, translated={"de": 1.0})
TOLD_AGAIN: dict[str, events.Event] = {
    "transcript.final.one": events.FinalTranscript("one", 1, 0.0, 1.0, "Hello. ", []),
    "translation.final.de.one": events.FinalTranslation("one", "de", [SENTENCE]),
    "audio.gap.one": events.AudioGap("one", 1.0, 1.1, 7, 7),
}


def whole(heard: Heard) -> tuple[object, ...]:
    message = heard.message
    return (message.routing_key, message.message_id, message.headers, message.body)


class Leader:
    """Of the stream's queue: how often it was asked for, and whether it answers."""

    def __init__(self, *, answers: bool = True) -> None:
        self.asked = 0
        self._answers = answers

    async def require(self) -> None:
        self.asked += 1
        if not self._answers:
            raise BrokerError("no answer")


async def taken_over(hand: ByHand, leader: Leader) -> Takeover:
    how: Any = {"now": 10, "window": 1000, "require_leader": leader.require}
    return await take_over(hand.channel, NAMES, "one", **how)


@pytest.mark.parametrize("routing_key", TOLD_AGAIN)
async def test_last_event_is_told_again_as_it_was(namespace: Namespace, routing_key: str) -> None:
    async with by_hand(namespace.url) as hand, speaking(namespace.url) as speaker:
        await hand.admit("one")
        predecessor = EventPublisher(hand.channel, NAMES, "one", epoch=5)
        first = Publish(TOLD_AGAIN[routing_key], 3, checkpoint=CHECKPOINT)
        leader = Leader()
        await predecessor.publish(first, events.encode(first.event))
        found = await taken_over(hand, leader)
        assert leader.asked == 0
        heard = speaker.ears.streams["one"]
        await speaker.ears.wait_for(lambda: len(heard) == 2)
        again = await taken_over(hand, leader)
        last = events.StreamInfo("one", "last", "")
        await predecessor.publish(Publish(last, 4), events.encode(last))
        await speaker.ears.wait_for(lambda: len(heard) == 3)
    assert whole(heard[0]) == whole(heard[1])
    assert heard[0].message.routing_key == routing_key
    assert (found.epoch, found.checkpoint, again.epoch) == (6, CHECKPOINT, 7)
    assert leader.asked == 1, "a fence tells of an owner that got no further"
    assert again.checkpoint == CHECKPOINT, "and its successor tells nothing a third time"


LAST_WORDS: list[events.Event] = [
    events.StreamEnded("one", "end", 1.0, 1.0, 0.0, 10, 0, 1),
    events.StreamFailed("one", "job_error", "it broke", retryable=True),
]


@pytest.mark.parametrize("event", LAST_WORDS, ids=lambda event: type(event).__name__)
async def test_last_words_outlive_the_owner_that_dies_while_it_clears_up(
    namespace: Namespace, event: events.Event
) -> None:
    """Hidden behind a fence, they would make its successor say that the stream lost its queue."""
    async with by_hand(namespace.url) as hand, speaking(namespace.url) as speaker:
        await hand.admit("one")
        predecessor = EventPublisher(hand.channel, NAMES, "one", epoch=5)
        leader = Leader()
        await predecessor.publish(Publish(event, 3, checkpoint=CHECKPOINT), events.encode(event))
        found = [await taken_over(hand, leader) for _ in range(3)]
        heard = speaker.ears.streams["one"]
        await speaker.ears.wait_for(lambda: len(heard) == 4)
    assert [(one.epoch, one.is_over) for one in found] == [(5, True)] * 3
    assert [whole(one) for one in heard] == [whole(heard[0])] * 4


async def test_owner_is_not_counted_while_the_stream_s_queue_does_not_answer(
    namespace: Namespace,
) -> None:
    """RabbitMQ closes the connection of one that consumes it, again and again; none crashes."""
    async with by_hand(namespace.url) as hand:
        await hand.admit("one")
        first = await taken_over(hand, Leader())
        for _ in range(3):
            async with open_plane(BrokerSettings.model_validate({"url": namespace.url})) as plane:
                channel = await plane.channel()
                with pytest.raises(BrokerError, match="no answer"):
                    await taken_over(ByHand(channel), Leader(answers=False))
        second = await taken_over(hand, Leader())
    assert (first.series.count, second.series.count) == (1, 2)


async def test_failure_whose_clearing_up_fails_is_reported_under_one_message_id(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: Any) -> None:
        raise BrokerError("down")

    failed = events_of_the_contract.StreamFailed(
        stream_id="one", code="internal_error", reason="it broke", retryable=True
    )
    async with (
        by_hand(namespace.url) as hand,
        speaking(namespace.url) as speaker,
        open_plane(BrokerSettings.model_validate({"url": namespace.url})) as plane,
    ):
        await hand.admit("one")
        monkeypatch.setattr(failure, "delete_queues", unavailable)
        with pytest.raises(BrokerError, match="down"):
            await failure.fail_stream(plane, NAMES, failed, epoch=7, headers={}, has_state=True)
        found = await taken_over(hand, Leader())
        heard = speaker.ears.streams["one"]
        await speaker.ears.wait_for(lambda: len(heard) == 2)
    assert (found.epoch, found.is_over) == (7, True)
    assert whole(heard[0]) == whole(heard[1])
