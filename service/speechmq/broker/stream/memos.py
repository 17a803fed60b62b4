"""The memo of a stream: a queue of one message, declared when there is something to keep."""

from __future__ import annotations

import msgspec
from pamqp import commands as spec

from ...core.values.memo import Memo
from ...errors import QueueMissing
from ...telemetry.logs import describe, get_logger
from ..amqp.channel import AmqpChannel
from ..amqp.error_map import translated
from ..amqp.identity import foreign
from ..amqp.plane import DataPlane

log = get_logger(__name__)


async def write_memo(channel: AmqpChannel, queue: str, memo: Memo) -> None:
    """Takes the place of the one before; returns when it is confirmed."""
    properties = spec.Basic.Properties(
        message_type="Memo",
        content_type="application/json",
        user_id=channel.users.own,
        delivery_mode=2,
    )
    with translated(f"writing {queue}"):
        await channel.basic_publish(
            memo.encode(), routing_key=queue, properties=properties, mandatory=True
        )


async def read_memo(plane: DataPlane, queue: str) -> Memo | None:
    """The memo that a predecessor left, which stays where it is. Raises ``BrokerError``.

    One that cannot be read, or that no worker wrote, is logged and left out. That costs names of
    speakers and changes of the configuration, but no word of raw audio; a stream that is a file
    fails without the head that it held, unless it is MP3 or AAC, whose frames tell all.
    """
    try:
        async with plane.asking() as channel:
            with translated(f"reading {queue}"):
                found = await channel.basic_get(queue)
                if not isinstance(found.delivery, spec.Basic.GetOk):
                    return None
                await channel.basic_reject(found.delivery_tag or 0, requeue=True)
            is_ours = channel.users.wrote(found)
        if not is_ours:
            log.warning("memo_foreign", queue=queue, reason=foreign(found, "a memo"))
            return None
        return Memo.decode(found.body)
    except QueueMissing:
        return None
    except msgspec.MsgspecError as error:
        log.warning("memo_unreadable", queue=queue, **describe(error))
        return None
