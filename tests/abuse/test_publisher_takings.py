"""What a publisher may take, and whose streams it may speak of: what the operator allows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.support.asker import asking
from tests.support.broker import Namespace, user
from tests.support.scene import scene
from tests.support.siege import letters
from tests.support.speaker import Speaker, said, speaking, start_of
from yarl import URL

from speechmq_schemas import (
    CreateTemporaryKey,
    EndStream,
    RequestFailed,
    from_command,
    from_request,
)

pytestmark = pytest.mark.timeout(120)
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


def name_of(url: str) -> str:
    return URL(url).user or ""


async def start_as(speaker: Speaker, name: str | None, stream_id: str, **config: object) -> None:
    message = from_command(stream_id, start_of(stream_id).model_copy(update=config))
    await speaker.publish(replace(message, user_id=name))


async def test_no_temporary_key_is_made_by_default(namespace: Namespace) -> None:
    """Of a recogniser's account everybody who may publish would have one."""
    async with scene(namespace), asking(namespace.url) as asker:
        request = from_request(
            CreateTemporaryKey(ttl=60), reply_to=asker.reply_to, correlation_id="a"
        )
        answer = await asker.ask(request)
    assert isinstance(answer, RequestFailed)
    assert (answer.code, answer.retryable) == ("key_not_allowed", False)
    assert "SPEECHMQ_LIMITS__USERS" in answer.reason


async def test_stream_cannot_hold_its_place_for_longer_than_the_operator_allows(
    namespace: Namespace,
) -> None:
    async with scene(namespace, SPEECHMQ_LIMITS__IDLE_TIMEOUT="60") as (_, speaker):
        await start_as(speaker, None, "long", idle_timeout=61.0)
        await speaker.ears.until_over("long")
        [letter] = await letters(namespace, 1)
    [failed] = speaker.ears.of("long", "StreamFailed")
    assert (failed.code, letter.code) == ("idle_timeout_too_long", "idle_timeout_too_long")


async def test_start_under_the_name_of_another_users_stream_is_reported_to_nobody(
    namespace: Namespace,
) -> None:
    """Its consumers would hear of a failure, or of a warning, that is not their stream's. The
    publisher finds it among the dead letters."""
    async with (
        user(namespace, "acme", EVERYTHING) as acme,
        user(namespace, "evil", EVERYTHING) as evil,
    ):
        users = {name_of(acme): {"stream_prefix": "acme-"}}
        async with (
            scene(namespace, SPEECHMQ_LIMITS__USERS=json.dumps(users)) as (_, hearing),
            speaking(acme) as owner,
            speaking(evil) as stranger,
        ):
            for name in (name_of(evil), None):
                await start_as(stranger, name, "acme-1", idle_timeout=61.0)
                await start_as(stranger, name, "acme-1", region="nowhere")
            await letters(namespace, 4)
            await start_as(owner, name_of(acme), "acme-1")
            await hearing.ears.wait_for(lambda: bool(hearing.ears.of("acme-1", "StreamStarted")))
            await start_as(stranger, name_of(evil), "acme-1", region="nowhere")
            [letter] = await letters(namespace, 1)
            seq = await owner.say("acme-1", range(5), finish=False)
            await owner.send("acme-1", EndStream(seq=seq))
            await hearing.ears.until_over("acme-1")
    assert letter.code == "id_not_allowed"
    assert hearing.ears.words("acme-1") == said(range(5))
    assert hearing.ears.of("acme-1", "StreamFailed", "StreamWarning") == []
