"""Writes the captions of every stream into PostgreSQL, with FastStream: python captions_postgres.py.

DATABASE_URL names the database. A row is a segment: its partials replace each other, its final
replaces them and stays. FastStream acknowledges an event when its row is committed; one that cannot
be written is given back, and comes again.
"""

import asyncio
import os

import asyncpg
from faststream import AckPolicy, FastStream
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from speechmq_schemas import FinalTranscript, PartialTranscript

SCHEMA = """
CREATE TABLE IF NOT EXISTS segment (
    stream_id text NOT NULL, segment_id bigint NOT NULL, epoch bigint NOT NULL, seq bigint NOT NULL,
    channel text, start_time double precision NOT NULL, end_time double precision NOT NULL,
    text text NOT NULL, is_final boolean NOT NULL, PRIMARY KEY (stream_id, segment_id))
"""
UPSERT = """
INSERT INTO segment VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (stream_id, segment_id) DO UPDATE
SET (epoch, seq, channel, start_time, end_time, text, is_final) = (excluded.epoch, excluded.seq,
    excluded.channel, excluded.start_time, excluded.end_time, excluded.text, excluded.is_final)
WHERE (excluded.epoch, excluded.is_final, excluded.seq)
    > (segment.epoch, segment.is_final, segment.seq)
"""

KINDS = {"FinalTranscript": FinalTranscript, "PartialTranscript": PartialTranscript}

broker = RabbitBroker(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/"))
queue = RabbitQueue(
    "consumer.postgres",
    durable=True,
    routing_key="transcript.*.*",
    arguments={"x-queue-type": "quorum"},
)
events = RabbitExchange("speechmq.events", type=ExchangeType.TOPIC, durable=True, declare=False)
pool: asyncpg.Pool


@broker.subscriber(queue, events, no_reply=True, ack_policy=AckPolicy.NACK_ON_ERROR)
async def write(message: RabbitMessage) -> None:
    raw = message.raw_message
    event = KINDS[raw.type].model_validate_json(message.body)
    place = (event.stream_id, event.segment_id, raw.headers["epoch"], raw.headers["seq"])
    times = (event.channel, event.start_time, event.end_time)
    is_final = isinstance(event, FinalTranscript)
    await pool.execute(UPSERT, *place, *times, event.transcript, is_final)


async def main() -> None:
    global pool
    async with asyncpg.create_pool(os.environ["DATABASE_URL"]) as pool:
        await pool.execute(SCHEMA)
        await FastStream(broker).run()


asyncio.run(main())
