"""What a copy among the dead letters has of the message that it is of."""

from __future__ import annotations

from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from pamqp import commands as spec
from pamqp.header import ContentHeader

from speechmq.broker.dead_letters import BEGINNING, MAX_BODY, RejectedMessage, cut, dead_letter
from speechmq_schemas import AmqpMessage


class Paper:
    """Takes down what is published."""

    body = b""
    headers: dict[str, Any]

    async def basic_publish(
        self, body: bytes, *, routing_key: str, properties: spec.Basic.Properties, mandatory: bool
    ) -> None:
        assert (routing_key, mandatory) == ("dead", True)
        self.body, self.headers = body, dict(properties.headers or {})


async def copied(letter: RejectedMessage) -> Paper:
    paper: Any = Paper()
    await dead_letter(paper, "dead", letter, code="too_large", reason="so it is")
    copy: Paper = paper
    return copy


WHY = {"x-speechmq-code": "too_large", "x-speechmq-reason": "so it is", "x-speechmq-queue": "q"}


@pytest.mark.parametrize("size", [0, MAX_BODY])
async def test_copy_has_the_whole_body(size: int) -> None:
    copy = await copied(RejectedMessage.of_message("q", AmqpMessage("", "AudioChunk", b"x" * size)))
    assert (len(copy.body), copy.headers) == (size, WHY)


async def test_copy_of_what_nobody_could_use_has_its_beginning() -> None:
    large = AmqpMessage("", "AudioChunk", b"x" * (MAX_BODY + 1))
    copy = await copied(RejectedMessage.of_message("q", large))
    assert copy.body == b"x" * BEGINNING
    assert copy.headers == {**WHY, "x-speechmq-body-bytes": MAX_BODY + 1}


async def test_copy_of_what_was_cut_when_it_came_says_how_large_that_was() -> None:
    message = DeliveredMessage(
        delivery=spec.Basic.Deliver("consumer", 7, False, "in", "stream.s"),
        header=ContentHeader(body_size=9000, properties=spec.Basic.Properties()),
        body=b"x" * 9000,
        channel=None,  # type: ignore[arg-type]
    )
    whole, beginning = (
        await copied(RejectedMessage.of_delivery("q", message)),
        RejectedMessage.of_delivery("q", cut(message)),
    )
    copy = await copied(beginning)
    assert (whole.body, whole.headers) == (b"x" * 9000, WHY)
    assert (copy.body, copy.headers) == (b"x" * BEGINNING, {**WHY, "x-speechmq-body-bytes": 9000})
