import pytest

from speechmq.broker.topology import per_stream, topologies, transcript_log
from speechmq.settings import BrokerSettings
from speechmq_schemas import Names


@pytest.mark.parametrize(
    ("max_bytes", "segment"),
    [(10_000_000, 1_000_000), (200_000_000, 10_000_000), (5_000_000_000, 100_000_000)],
)
def test_log_is_bounded_in_age_and_size_by_segments_that_are_a_part_of_it(
    max_bytes: int, segment: int
) -> None:
    [queue] = transcript_log(Names(), max_age=3600.0, max_bytes=max_bytes).queues
    assert (queue.name, queue.arguments) == (
        "speechmq.log",
        {
            "x-queue-type": "stream",
            "x-max-age": "3600s",
            "x-max-length-bytes": max_bytes,
            "x-stream-max-segment-size-bytes": segment,
        },
    )


@pytest.mark.parametrize("is_on", [True, False])
def test_log_is_declared_when_it_is_asked_for_alone(is_on: bool) -> None:
    settings = BrokerSettings(transcript_log=is_on)
    queues = {queue.name for part in topologies(Names(), settings) for queue in part.queues}
    assert ("speechmq.log" in queues) is is_on


@pytest.mark.parametrize("expires", [3600.0, 86_400.0])  # the bounds of the setting
@pytest.mark.parametrize("start", [b"{}", b'{"stream_id": "one"}'])
def test_state_outlives_its_streams_queue_by_far_and_within_what_rabbitmq_counts(
    expires: float, start: bytes
) -> None:
    """Found alone, it tells that the queue was lost; as long as it is there to be found."""
    queues = per_stream(Names(), "s", start, queue_type="quorum", max_bytes=1, expires=expires)
    stream, state = (queue.arguments["x-expires"] for queue in (queues.stream, queues.state))
    assert expires * 1000 <= stream < expires * 1000 + 2**20
    assert (state - stream) == round(expires * 1000) * 23
    assert state < 2**32
