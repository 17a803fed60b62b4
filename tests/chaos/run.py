"""One chaos run, from a broker of its own to the verdict."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from tests.chaos.crowd import Crowd
from tests.chaos.fleet import WORKER, Log, working
from tests.chaos.node import Node, own_node
from tests.chaos.observer import QUEUE, Observer, observing
from tests.chaos.post import dead_letters, posting
from tests.chaos.recogniser import Recogniser, recognising
from tests.chaos.recovery import recoveries
from tests.chaos.report import Report
from tests.chaos.saboteur import Saboteur
from tests.chaos.schedule import WEIGHTS, Load, schedule
from tests.chaos.verdict import judge

# Behind the last chunk: a broker that comes back, a retry, and the wait for a stalled end.
SETTLING_SECONDS = 150.0
CLEARING_SECONDS = 30.0


def say_nothing(_who: str, _line: str) -> None: ...


async def run(
    load: Load,
    seed: int,
    *,
    kinds: frozenset[str] = frozenset(WEIGHTS),
    settings: Mapping[str, str] | None = None,
    command: Sequence[str] = WORKER,
    settling: float = SETTLING_SECONDS,
    log: Log = say_nothing,
) -> Report:
    """Everything that it starts is gone when it returns, raises or is cancelled."""
    dice = random.Random(f"run {seed}")
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(own_node())
        recogniser = await stack.enter_async_context(recognising(seed))
        fleet = await stack.enter_async_context(
            working(
                load.workers,
                broker_url=node.broker.url,
                upstream_url=recogniser.url,
                settings=settings or {},
                log=log,
                command=command,
            )
        )
        await fleet.all_ready()
        observer = await stack.enter_async_context(observing(node.broker.url))
        post = await stack.enter_async_context(posting(node.broker.url))
        crowd = Crowd(post, random.Random(f"crowd {seed}"), load.streams, load.lengths)
        saboteur = Saboteur(dice, fleet, node, recogniser, crowd=crowd, observer=observer, log=log)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(crowd.speak_until(time.monotonic() + load.seconds))
            tasks.create_task(saboteur.work(schedule(load, seed, kinds)))
        leftovers = await _settle(crowd, observer, node, recogniser, settling)
        leftovers += [f"dead letter: {one}" for one in await dead_letters(post) - post.again]
        said = {one.stream_id: one.numbers for one in crowd.speeches.values()}
        return Report(
            load=load,
            seed=seed,
            verdict=judge(said, observer.streams),
            streams=len(said),
            done=saboteur.done,
            recoveries=recoveries(
                recogniser.sessions.values(), saboteur.deeds, recogniser.fired, observer.streams
            ),
            leftovers=leftovers,
            again=len(post.again),
        )


async def _settle(
    crowd: Crowd, observer: Observer, node: Node, recogniser: Recogniser, settling: float
) -> list[str]:
    """Waits for the end of every stream, and says what is left in the end."""
    deadline = time.monotonic() + settling
    while not crowd.speeches.keys() <= observer.over and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    deadline = time.monotonic() + CLEARING_SECONDS
    left = await _leftovers(node, recogniser)
    while left and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        left = await _leftovers(node, recogniser)
    return left


async def _leftovers(node: Node, recogniser: Recogniser) -> list[str]:
    lasting = {f"speechmq.{name}" for name in ("start", "early", "claims", "temporary-key", "dead")}
    left = []
    for name, state in (await node.queues()).items():
        if name.startswith("speechmq.status."):
            continue  # a living worker's own
        if name not in {*lasting, QUEUE}:
            left.append(f"the queue {name} is left")
        elif name != "speechmq.dead" and (state.ready or state.unacked):
            left.append(f"{name} has {state.ready} messages, and {state.unacked} unacknowledged")
    if sockets := await recogniser.open_connections():
        left.append(f"{sockets} sockets are open at the recogniser")
    return left
