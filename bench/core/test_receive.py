"""How long the core takes for each kind of input: a report, which asserts nothing."""

import pytest
from bench.core.conversation import Conversation
from pytest_benchmark.fixture import BenchmarkFixture

from speechmq.core.values.inputs import ChunkDelivered, Input, Published
from speechmq.speechmatics.messages import AudioAdded, FinalReceived, PartialReceived

ROUNDS = 1000


@pytest.mark.parametrize("chunk_ms", [100, 20])
@pytest.mark.parametrize(
    "kind", [ChunkDelivered, AudioAdded, PartialReceived, FinalReceived, Published]
)
def test_receive(kind: type[Input], chunk_ms: int, benchmark: BenchmarkFixture) -> None:
    time(Conversation(chunk_ms), kind, benchmark)


@pytest.mark.parametrize("kind", [PartialReceived, FinalReceived])
def test_receive_in_a_later_session(kind: type[Input], benchmark: BenchmarkFixture) -> None:
    time(Conversation(resumed=True), kind, benchmark)


def time(conversation: Conversation, kind: type[Input], benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        conversation.receive,
        setup=lambda: conversation.next(kind),
        rounds=ROUNDS,
        warmup_rounds=100,
    )
