"""Writes the captions of every stream into SQLite, with FastStream: python captions_sqlite.py FILE.

A row is a segment: its partials replace each other, its final replaces them and stays. Events that
come twice, or late, change nothing. FastStream acknowledges an event when its row is written; one
that cannot be written is given back, and comes again.
"""

import asyncio
import os
import sqlite3
import sys

from faststream import AckPolicy, FastStream
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from speechmq_schemas import FinalTranscript, PartialTranscript

SCHEMA = """
CREATE TABLE IF NOT EXISTS segment (
    stream_id TEXT NOT NULL, segment_id INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
    channel TEXT, start_time REAL NOT NULL, end_time REAL NOT NULL,
    text TEXT NOT NULL, is_final INTEGER NOT NULL, PRIMARY KEY (stream_id, segment_id))
"""
UPSERT = """
INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream_id, segment_id) DO UPDATE
SET epoch = excluded.epoch, seq = excluded.seq, channel = excluded.channel,
    start_time = excluded.start_time, end_time = excluded.end_time,
    text = excluded.text, is_final = excluded.is_final
WHERE (excluded.epoch, excluded.is_final, excluded.seq) > (epoch, is_final, seq)
"""

KINDS = {"FinalTranscript": FinalTranscript, "PartialTranscript": PartialTranscript}

database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute(SCHEMA)
broker = RabbitBroker(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/"))
queue = RabbitQueue(
    "consumer.sqlite",
    durable=True,
    routing_key="transcript.*.*",
    arguments={"x-queue-type": "quorum"},
)
events = RabbitExchange("speechmq.events", type=ExchangeType.TOPIC, durable=True, declare=False)


@broker.subscriber(queue, events, no_reply=True, ack_policy=AckPolicy.NACK_ON_ERROR)
async def write(message: RabbitMessage) -> None:
    raw = message.raw_message
    event = KINDS[raw.type].model_validate_json(message.body)
    place = (event.stream_id, event.segment_id, raw.headers["epoch"], raw.headers["seq"])
    times = (event.channel, event.start_time, event.end_time)
    is_final = isinstance(event, FinalTranscript)
    database.execute(UPSERT, (*place, *times, event.transcript, is_final))


asyncio.run(FastStream(broker).run())
