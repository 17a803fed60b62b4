"""Sums the seconds of audio of each tenant: python usage_per_tenant.py FILE.

A start names its tenant in `labels`. The sums are in the FILE, as JSON, after each stream that ends.
A stream is counted once, by its id, also when its events come again.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from speechmq_client import StreamEnded, Subscriber
from speechmq_schemas import StreamStarted


async def main(path: Path) -> None:
    url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
    usage = json.loads(path.read_text()) if path.exists() else {"tenants": {}, "seconds": {}}
    kinds = [StreamStarted, StreamEnded]
    async with Subscriber(url, queue="consumer.usage", events=kinds, fold=False) as subscriber:
        async for delivery in subscriber:
            event, stream_id = delivery.event, delivery.stream_id
            if isinstance(event, StreamStarted):
                usage["tenants"][stream_id] = event.labels.get("tenant", "unknown")
            else:
                usage["seconds"][stream_id] = event.received_seconds
            sums: dict[str, float] = {}
            for ended, seconds in usage["seconds"].items():
                tenant = usage["tenants"].get(ended, "unknown")
                sums[tenant] = sums.get(tenant, 0.0) + seconds
            written = path.with_suffix(".new")
            written.write_text(json.dumps({**usage, "sums": sums}, indent=1))
            written.replace(path)
            await delivery.ack()


asyncio.run(main(Path(sys.argv[1])))
