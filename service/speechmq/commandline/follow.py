"""Follows one stream, and writes its captions while it goes on and at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from speechmq_schemas import Transcript

from ..tasks import task_group
from .caption_output import Output
from .subscription import Subscription

SHORTEST_REST = 0.5
"""Seconds between two writes of the captions."""

SHARE_OF_TIME = 0.1
"""Writing a transcript of hours takes its time; it is not to take more than this share of it."""


async def follow(
    events: Subscription,
    stream_id: str,
    output: Output,
    halt: asyncio.Event,
    tell: Callable[[str], None],
) -> Transcript:
    """Returns when the stream is over or ``halt`` is set.

    However it ends, ``output`` has all captions that were heard. ``tell`` hears of events that
    cannot be read. Raises ``BrokerLost``, and what ``output`` raises.
    """
    transcript, changed = Transcript(), asyncio.Event()
    try:
        async with task_group() as tasks:
            listening = tasks.create_task(_listen(events, stream_id, transcript, changed, tell))
            writing = tasks.create_task(_keep_writing(transcript, changed, output))
            halted = tasks.create_task(halt.wait())
            await asyncio.wait((listening, halted), return_when=asyncio.FIRST_COMPLETED)
            for task in (listening, writing, halted):
                task.cancel()
    finally:
        output.finish(transcript)
    return transcript


async def _listen(
    events: Subscription,
    stream_id: str,
    transcript: Transcript,
    changed: asyncio.Event,
    tell: Callable[[str], None],
) -> None:
    """Returns when the stream is over."""
    async for received in events:
        if received.problem is not None:
            tell(received.problem)
        event, (epoch, seq) = received.event, received.position
        if event is None or event.stream_id != stream_id:
            continue
        if transcript.apply(event, epoch=epoch, seq=seq):
            changed.set()
        if transcript.state != "live":
            return


async def _keep_writing(transcript: Transcript, changed: asyncio.Event, output: Output) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        begun = clock()
        output.write(transcript)
        changed.clear()
        await asyncio.sleep(max(SHORTEST_REST, (clock() - begun) / SHARE_OF_TIME))
        await changed.wait()
