"""Workers whose settings differ, which they should not."""

from __future__ import annotations

import pytest
from tests.support.broker import Namespace
from tests.support.owners import by_hand, running_manager
from tests.support.speaker import speaking, start_of

from speechmq_emulator.server import serve

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize(
    ("parts", "code", "told"),
    [
        ({"credential": "bank"}, "unknown_credential", "the workers have no credential 'bank'"),
        ({"region": "us"}, "region_not_allowed", "credential 'default' may be used at ws://"),
    ],
    ids=["credential", "region"],
)
async def test_claim_that_this_worker_s_settings_do_not_allow_fails_its_stream(
    namespace: Namespace, parts: dict[str, str], code: str, told: str
) -> None:
    """A worker with other settings admitted it."""
    async with (
        serve("ledger") as upstream,
        by_hand(namespace.url) as hand,
        speaking(namespace.url) as speaker,
        running_manager(namespace.url, upstream.url) as running,
    ):
        await hand.admit_start(start_of("one").model_copy(update=parts))
        await hand.admit("two")
        await speaker.ears.until_over("one")
        await speaker.say("two", [1])
        await speaker.ears.until_over("two")
        queues = await namespace.wait_for_queues(
            lambda found: found["speechmq.dead"].ready == 1 and "speechmq.stream.one" not in found
        )
        assert running.streams == []
    [failed] = speaker.ears.of("one", "StreamFailed")
    assert (failed.code, failed.retryable) == (code, True)
    assert told in failed.reason
    assert "speechmq.state.one" not in queues
