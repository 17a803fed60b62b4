"""Runs a command with a RabbitMQ 4 in a container for its broker: `make test-rabbitmq4`.

python -m tests.support.with_broker_container COMMAND...
"""

import asyncio
import os
import sys

from tests.support.broker import MANAGEMENT_URL_VARIABLE
from tests.support.broker_container import container_broker

from speechmq.dev.rabbitmq_source import URL_VARIABLE


async def run(command: list[str]) -> int:
    async with container_broker() as (url, management_url):
        environment = {
            **os.environ,
            URL_VARIABLE: url,
            MANAGEMENT_URL_VARIABLE: management_url,
        }
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
