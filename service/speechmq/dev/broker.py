"""``python -m speechmq.dev.broker``: a private RabbitMQ until SIGTERM or Ctrl-C.

Prints its URL in one line when it is ready, for a parent process to read.
"""

from __future__ import annotations

import asyncio
import sys

from speechmq.commandline.exits import ExitCode, interruptible
from speechmq.dev.rabbitmq import private_broker
from speechmq.errors import SpeechmqError


async def serve(halt: asyncio.Event) -> ExitCode:
    async with private_broker() as broker:
        print(f"speechmq: broker on {broker.url}", flush=True)
        await halt.wait()
    return ExitCode.ENDED


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(interruptible(serve)))
    except SpeechmqError as error:
        sys.exit(f"speechmq: {error}")
