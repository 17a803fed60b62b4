"""The fixtures that every broker test stands on."""

import aio_pika
import pytest
from tests.support.broker import BrokerAddress, Namespace, new_namespace
from tests.support.broker_management import QueueState


async def test_namespace_tells_ready_and_unacked_messages_and_consumers(
    namespace: Namespace,
) -> None:
    async with await aio_pika.connect(namespace.url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        for kind in ("quorum", "classic"):
            queue = await channel.declare_queue(
                kind, durable=True, arguments={"x-queue-type": kind}
            )
            for _ in range(3):
                await channel.default_exchange.publish(aio_pika.Message(b"x"), kind)
            await queue.consume(_keep)
        expected = QueueState(ready=2, unacked=1, consumers=1)
        await namespace.wait_for_queues(lambda q: q == {"quorum": expected, "classic": expected})


async def _keep(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Never acknowledge."""


async def test_namespaces_do_not_see_each_others_queues(
    broker: BrokerAddress, namespace: Namespace
) -> None:
    async with new_namespace(broker) as other:
        async with await aio_pika.connect(other.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue("only-there", durable=True)
        assert set(await other.queues()) == {"only-there"}
        assert await namespace.queues() == {}


async def test_namespace_is_gone_after_use(broker: BrokerAddress) -> None:
    async with new_namespace(broker) as mine:
        pass
    with pytest.raises(RuntimeError, match="404"):
        await mine.queues()


async def test_wait_for_queues_fails_with_what_it_saw(namespace: Namespace) -> None:
    with pytest.raises(AssertionError, match=r"After 0.1 s the queues still are \{\}"):
        await namespace.wait_for_queues(lambda queues: "never" in queues, within=0.1)
