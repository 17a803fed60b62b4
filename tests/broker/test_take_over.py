"""What a predecessor may not have seen confirmed is told again, as it was."""

from __future__ import annotations

import pytest
from tests.support.broker import Namespace
from tests.support.owners import NAMES, by_hand
from tests.support.speaker import Heard, speaking

from speechmq.broker.stream.checkpoints import take_over
from speechmq.broker.stream.event_publisher import EventPublisher
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.outputs import Publish

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


@pytest.mark.parametrize("routing_key", TOLD_AGAIN)
async def test_last_event_is_told_again_as_it_was(namespace: Namespace, routing_key: str) -> None:
    async with by_hand(namespace.url) as hand, speaking(namespace.url) as speaker:
        await hand.admit("one")
        predecessor = EventPublisher(hand.channel, NAMES, "one", epoch=5)
        first = Publish(TOLD_AGAIN[routing_key], 3, checkpoint=CHECKPOINT)
        await predecessor.publish(first, events.encode(first.event))
        found = await take_over(hand.channel, NAMES, "one", now=10, window=1000)
        heard = speaker.ears.streams["one"]
        await speaker.ears.wait_for(lambda: len(heard) == 2)
        again = await take_over(hand.channel, NAMES, "one", now=10, window=1000)
        last = events.StreamInfo("one", "last", "")
        await predecessor.publish(Publish(last, 4), events.encode(last))
        await speaker.ears.wait_for(lambda: len(heard) == 3)
    assert whole(heard[0]) == whole(heard[1])
    assert heard[0].message.routing_key == routing_key
    assert (found.epoch, found.checkpoint, again.epoch) == (6, CHECKPOINT, 7)
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
        await predecessor.publish(Publish(event, 3, checkpoint=CHECKPOINT), events.encode(event))
        found = [await take_over(hand.channel, NAMES, "one", now=10, window=1000) for _ in range(3)]
        heard = speaker.ears.streams["one"]
        await speaker.ears.wait_for(lambda: len(heard) == 4)
    assert [(one.epoch, one.is_over) for one in found] == [(5, True)] * 3
    assert [whole(one) for one in heard] == [whole(heard[0])] * 4
