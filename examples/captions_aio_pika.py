"""Prints the captions of every stream, with aio-pika alone: python captions_aio_pika.py.

The queue is durable: what is said while this does not run comes when it runs again. A final may
come twice, as after a worker was killed; its message_id says so.
"""

import asyncio
import json
import os

import aio_pika


async def main() -> None:
    url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
    connection = await aio_pika.connect_robust(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        arguments = {"x-queue-type": "quorum"}
        queue = await channel.declare_queue("consumer.print", durable=True, arguments=arguments)
        await queue.bind("speechmq.events", "transcript.final.*")
        seen: set[str] = set()  # a real one has a bound, or a database
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    final = json.loads(message.body)
                    if message.message_id in seen or not final["transcript"].strip():
                        continue
                    seen.add(message.message_id)
                    line = f"{final['stream_id']} {final['start_time']:8.2f} {final['transcript']}"
                    print(line, flush=True)


asyncio.run(main())
