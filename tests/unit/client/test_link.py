"""What a link must leave alone in the program that uses the library."""

from __future__ import annotations

import logging

from speechmq_client.amqp.link import Link


def test_loggers_of_the_libraries_stay_as_the_program_set_them() -> None:
    loggers = [logging.getLogger(name) for name in ("aio_pika", "aiormq")]
    before = [logger.level for logger in loggers]
    Link("amqp://127.0.0.1", "test")
    assert [logger.level for logger in loggers] == before
