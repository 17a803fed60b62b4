"""Prints the captions of every stream, with the client library: python captions.py."""

import asyncio
import os

from speechmq_client import FinalTranscript, Subscriber


async def main() -> None:
    url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
    async with Subscriber(url, events=[FinalTranscript], skip_empty=True) as subscriber:
        async for delivery in subscriber:
            final = delivery.event
            print(f"{final.stream_id} {final.start_time:8.2f} {final.transcript}", flush=True)
            await delivery.ack()


asyncio.run(main())
