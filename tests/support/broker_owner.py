"""A program that owns a private node and then does what a test wants to see the end of.

Run as `python -m tests.support.broker_owner SCRIPT [fork]`. Prints the node's folder and AMQP URL
as one JSON line, then waits to be killed. With `fork` it first leaves a child behind that
inherits all it has open, the pipe to the node's supervisor too; the child's id is in the line.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from speechmq.dev.rabbitmq_node import private_node


async def own(script: Path, *, fork: bool) -> None:
    async with private_node(script) as node:
        child = leave_child_behind() if fork else 0
        line = {"folder": str(node.layout.folder), "url": node.url, "child": child}
        print(json.dumps(line), flush=True)
        await asyncio.Event().wait()


def leave_child_behind() -> int:
    child = os.fork()
    if child == 0:
        os.close(1)  # whoever reads our line waits for the end of it
        signal.pause()
        os._exit(0)
    return child


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1]), fork="fork" in sys.argv[2:]))
