"""Publishes a WAV file as if it were spoken now: python publish_wav.py FILE STREAM_ID."""

import asyncio
import os
import sys
import wave

from speechmq_client import Publisher


async def main(path: str, stream_id: str) -> None:
    url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
    async with Publisher(url) as publisher:
        with wave.open(path) as wav:  # 16 bit, mono
            rate = wav.getframerate()
            stream = await publisher.start_raw(stream_id, sample_rate=rate, enable_partials=True)
            async with stream:
                while audio := wav.readframes(rate // 50):
                    await stream.send(audio)
                    await asyncio.sleep(0.02)  # a live source needs no sleep
        ended = await stream.wait_ended()
        print(f"{ended.received_seconds:g} s were heard, in {ended.finals} finals")


asyncio.run(main(*sys.argv[1:]))
