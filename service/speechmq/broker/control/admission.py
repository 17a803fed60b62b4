"""Admission: a valid start becomes queues, a claim and ``StreamAccepted``; another, a refusal.

Any worker admits any stream, whether it has room or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    Names,
    StartStream,
    StreamAccepted,
    StreamFailed,
    StreamWarning,
    to_command,
    unknown_fields,
)
from speechmq_schemas.errors import MAX_FIELDS
from speechmq_schemas.events import Event

from ...errors import ArgumentsDiffer
from ...settings import Settings
from ...telemetry.logs import get_logger
from ...telemetry.observer import Observer, Passed
from ...telemetry.trace_context import trace_field
from ..amqp.channel import AmqpChannel
from ..amqp.error_map import answered, translated
from ..amqp.plane import DataPlane
from ..announcements import announce
from ..dead_letters import RejectedMessage, dead_letter
from ..topology import StreamTopology, bind, declare_queue, per_stream
from .claims import publish_claim
from .grants import Grants
from .seats import HEADER, Seats

log = get_logger(__name__)

# A start that was given up is tried again, mostly by another worker. So many tries have to fit into
# the time for which the audio behind it waits; but a broker that is only busy has some seconds.
TRIES = 3
SHORTEST_TRY = 10.0
# The same start may be taken another time.
RETRYABLE = frozenset({"too_many_streams"})


class Admission:
    """Works on the data plane; its caller delivers the starts and settles them.

    ``check`` raises ``ContractError`` for a start that the workers' settings do not allow, and
    ``seats`` for one that its user may not have now.
    """

    def __init__(
        self,
        plane: DataPlane,
        settings: Settings,
        check: Callable[[StartStream], object],
        seats: Seats,
        observer: Observer | None = None,
    ) -> None:
        self._seats = seats
        self._plane = plane
        self._check = check
        self._settings = settings.broker
        self._deadline = deadline_of(settings)
        self._names = Names(self._settings.namespace)
        self._grants = Grants(settings.limits)
        self._observer = observer or Observer()

    async def admit(self, message: AmqpMessage, redelivered: bool) -> None:
        """Returns when everything is in the broker's hands, so that the start may be settled.

        Raises ``BrokerError``.
        """
        async with (
            answered(self._deadline),
            self._plane.asking(confirms=True) as channel,
        ):
            with self._observer.admitting(message.headers) as passage:
                await self._admit(channel, message, passage, redelivered=redelivered)

    async def _admit(
        self,
        channel: AmqpChannel,
        message: AmqpMessage,
        passage: Passed,
        *,
        redelivered: bool,
    ) -> None:
        try:
            start = read_start(message)
            self._grants.require_start(message.user_id, start)
            self._check(start)
            await self._open_stream(channel, start, passage, message, redelivered=redelivered)
        except ContractError as error:
            passage.refused(error)
            await self._refuse(channel, message, error, passage)

    async def _open_stream(
        self,
        channel: AmqpChannel,
        start: StartStream,
        passage: Passed,
        message: AmqpMessage,
        *,
        redelivered: bool,
    ) -> None:
        """A start that is delivered again may have been left half done, so it is done again."""
        body = start.model_dump_json(by_alias=True, exclude_unset=True).encode()
        topology = self._topology(start.stream_id, body)
        is_known = await self._plane.queue_exists(topology.stream.name) is not None
        if is_known:
            await self._declare(topology)  # before a seat is touched: it may be the live stream's
            if not redelivered:
                return
        seat = await self._declare_seated(
            topology, message.user_id, start.stream_id, again=redelivered
        )
        with translated(f"binding the queues of stream {start.stream_id}"):
            await bind(channel, topology.inbound)
        accepted = StreamAccepted(stream_id=start.stream_id)
        await announce(channel, self._names, accepted, headers=passage.headers)
        if (warning := warning_of(start)) is not None:
            await announce(channel, self._names, warning, headers=passage.headers)
        with passage.claiming() as headers:
            seated = {HEADER: seat} if seat else {}
            await publish_claim(channel, self._names, body, {**headers, **seated})
        trace = trace_field(passage.headers)
        log.info("start_admitted", stream_id=start.stream_id, **trace)

    def _topology(self, stream_id: str, body: bytes) -> StreamTopology:
        return per_stream(
            self._names,
            stream_id,
            body,
            queue_type=self._settings.queue_type,
            max_bytes=self._settings.stream_max_bytes,
            expires=self._settings.stream_expires,
        )

    async def _declare_seated(
        self, topology: StreamTopology, user: str | None, stream_id: str, *, again: bool
    ) -> str | None:
        """The seat that the stream has in the end."""
        seat = await self._seats.take(user, stream_id, again=again)
        try:
            await self._declare(topology)
        except ContractError:
            if seat:
                await self._seats.free(seat, stream_id)
            raise
        return seat

    async def _declare(self, topology: StreamTopology) -> None:
        try:
            async with self._plane.asking() as channel:
                with translated(f"declaring {topology.stream.name}"):
                    await declare_queue(channel, topology.stream)
                    await declare_queue(channel, topology.state)
        except ArgumentsDiffer as error:
            raise ContractError(
                "different_start",
                "a stream with this id is live and was started with another body; "
                "choose another stream_id, or end that stream first",
            ) from error

    async def _refuse(
        self,
        channel: AmqpChannel,
        message: AmqpMessage,
        error: ContractError,
        passage: Passed,
    ) -> None:
        """A live stream with the same id goes on, and is told; it did not fail. Of a stream that
        is another user's nothing is published: its consumers are not the publisher's."""
        stream_id = claimed_id(message.body)
        log.warning("start_refused", stream_id=stream_id, code=error.code, reason=error.reason)
        rejected = RejectedMessage.of_message(self._names.start, message)
        await dead_letter(channel, self._names.dead, rejected, code=error.code, reason=error.reason)
        if not self._grants.may_name(message.user_id, stream_id):
            return
        is_live = stream_id and await self._plane.queue_exists(self._names.stream(stream_id))
        fields = [{"path": one.path, "reason": one.reason} for one in error.fields]
        event: Event
        if is_live is None or not stream_id:
            event = StreamFailed(
                stream_id=stream_id,
                code=error.code,
                reason=error.reason,
                retryable=error.code in RETRYABLE,
                fields=fields,
            )
        else:
            event = StreamWarning(
                stream_id=stream_id, code=error.code, reason=error.reason, fields=fields
            )
        await announce(channel, self._names, event, headers=passage.headers)


def deadline_of(settings: Settings) -> float:
    """Seconds for one try at a start."""
    share = max(SHORTEST_TRY, settings.session.early_wait / TRIES)
    return min(settings.broker.answer_timeout, share)


def read_start(message: AmqpMessage) -> StartStream:
    """Raises ``ContractError`` for anything but a valid start."""
    command = to_command(message).command
    if not isinstance(command, StartStream):
        raise ContractError(
            "wrong_place", f"{message.type} was sent with the routing key of starts"
        )
    return command


def warning_of(start: StartStream) -> StreamWarning | None:
    """About fields that are passed on unread, for one of them may be misspelt."""
    paths = list(unknown_fields(start))
    if not paths:
        return None
    listed = ", ".join(paths[:MAX_FIELDS])
    more = f" and {len(paths) - MAX_FIELDS} more" if len(paths) > MAX_FIELDS else ""
    reason = "not known to this version; passed on to upstream as it came"
    return StreamWarning(
        stream_id=start.stream_id,
        code="unknown_field",
        reason=f"passed on to upstream without being known here: {listed}{more}; "
        "check the spelling if upstream is not newer than this worker",
        fields=[{"path": path, "reason": reason} for path in paths[:MAX_FIELDS]],
    )


def claimed_id(body: bytes) -> str:
    """The stream id that an invalid start names, or nothing usable."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    stream_id = found.get("stream_id") if isinstance(found, dict) else None
    is_usable = isinstance(stream_id, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,128}", stream_id)
    return str(stream_id) if is_usable else ""
