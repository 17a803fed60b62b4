"""Requests for temporary keys: each is answered to its asker, by any worker.

The key goes to the asker's queue and nowhere else. A request that nobody can be answered for is
dead-lettered; it holds no secret.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    CreateTemporaryKey,
    Names,
    Reply,
    RequestFailed,
    TemporaryKey,
    to_command,
)

from ...errors import KeyRefused, KeyUnavailable
from ...settings.upstream import DEFAULT_CREDENTIAL
from ..dead_letters import RejectedMessage, dead_letter
from .grants import Grants
from .replies import Answers, refusal, reply, require_asker, settled_at_last

# Seconds for which an answer without a key is kept for its asker.
KEEP_FAILURE = 60.0


class KeyRequests:
    """Works beside the data plane, which a stranger's queue that is being deleted may not cost its
    connection; its caller delivers the requests and settles them.

    ``make`` raises ``ContractError``, ``KeyRefused`` and ``KeyUnavailable``; ``grants`` say who
    may have which key.
    """

    def __init__(
        self,
        answers: Answers,
        names: Names,
        grants: Grants,
        make: Callable[[CreateTemporaryKey], Awaitable[TemporaryKey]],
    ) -> None:
        self._answers = answers
        self._names = names
        self._grants = grants
        self._make = make

    async def answer(self, asked: AmqpMessage, redelivered: bool) -> None:
        """Returns when the request may be settled. Raises ``BrokerError``.

        One that is delivered again is answered again: its asker may never have had a key.
        """
        try:
            require_asker(asked, self._names)
        except ContractError as error:
            rejected = RejectedMessage.of_message(self._names.temporary_key, asked)
            channel = await self._answers.channel()
            await dead_letter(
                channel, self._names.dead, rejected, code=error.code, reason=error.reason
            )
            return
        answer = await self._outcome(asked)
        expires = answer.ttl if isinstance(answer, TemporaryKey) else KEEP_FAILURE
        with settled_at_last(redelivered=redelivered):
            channel = await self._answers.channel(asked.reply_to or "")
            await reply(channel, asked, answer, expires=expires)

    async def _outcome(self, asked: AmqpMessage) -> Reply:
        try:
            request = read_request(asked)
            credential = request.credential or DEFAULT_CREDENTIAL
            self._grants.require_key(asked.user_id, request, credential)
            return await self._make(request)
        except ContractError as error:
            return refusal(error)
        except KeyRefused as error:
            return RequestFailed(code="key_refused", reason=str(error), retryable=False)
        except KeyUnavailable as error:
            return RequestFailed(code=error.code, reason=str(error), retryable=True)


def read_request(asked: AmqpMessage) -> CreateTemporaryKey:
    """Raises ``ContractError`` for anything but a valid request."""
    command = to_command(asked).command
    if not isinstance(command, CreateTemporaryKey):
        reason = f"{asked.type} was sent with the routing key of requests for temporary keys"
        raise ContractError("wrong_place", reason)
    return command
