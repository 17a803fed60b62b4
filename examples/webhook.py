"""Sends each final to a web hook as a CloudEvent: python webhook.py URL.

WEBHOOK_SECRET signs each body: X-Signature is its HMAC-SHA256, in hexadecimal. A hook that does not
answer 2xx is tried again, later and later; a final is acknowledged when the hook has it, so none is
lost when this is stopped. The id is the same whenever a final comes again.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import os
import random
import sys

import httpx
from speechmq_client import Delivery, FinalTranscript, Subscriber

SECRET = os.environ["WEBHOOK_SECRET"].encode()
LONGEST_PAUSE = 60.0


def cloud_event(delivery: Delivery) -> bytes:
    event = {
        "specversion": "1.0",
        "id": delivery.message.message_id,
        "source": f"/speechmq/{delivery.stream_id}",
        "type": "speechmq.FinalTranscript",
        "datacontenttype": "application/json",
        "data": delivery.event.model_dump(mode="json", by_alias=True),
    }
    return json.dumps(event).encode()


async def send(client: httpx.AsyncClient, url: str, body: bytes) -> None:
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/cloudevents+json", "X-Signature": signature}
    for attempt in itertools.count():
        try:
            answer = await client.post(url, content=body, headers=headers)
            answer.raise_for_status()
            return
        except httpx.HTTPError as error:
            print(f"{url} did not take a final: {error!r}; another try follows", flush=True)
        await asyncio.sleep(min(LONGEST_PAUSE, 0.5 * 2**attempt) * (0.5 + random.random()))


async def main(url: str) -> None:
    broker = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
    options = {"queue": "consumer.webhook", "events": [FinalTranscript], "skip_empty": True}
    async with Subscriber(broker, **options) as subscriber, httpx.AsyncClient(timeout=10) as client:
        await subscriber.run(lambda delivery: send(client, url, cloud_event(delivery)))


asyncio.run(main(sys.argv[1]))
