"""The plug-in, as a user's own tests have it."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
from tests.support.broker import Namespace

pytestmark = pytest.mark.timeout(240)

CONFTEST = 'pytest_plugins = ["speechmq_emulator.pytest"]\n'
TESTS = """
import pytest
from speechmq_client.threads import Publisher, Subscriber


WORDS = "good morning to everybody here."


@pytest.mark.speechmatics(faults=["drop at=0.5s times=1"])
def test_my_service_survives_a_lost_session(speechmq):
    url, where = speechmq.amqp_url, {"namespace": speechmq.namespace}
    with Subscriber(url, **where) as captions, Publisher(url, **where) as calls:
        with calls.start_raw("call-1", sample_rate=8000, max_delay=0.7) as call:
            call.send(speechmq.speechmatics.speech(WORDS, sample_rate=8000))
        for delivery in captions:
            delivery.ack()
            if delivery.transcript.state != "live":
                break
    assert delivery.transcript.text == WORDS
    assert len(speechmq.speechmatics.sessions) == 2


def test_a_server_alone(speechmatics):
    assert speechmatics.url.startswith("ws://127.0.0.1:")
    with pytest.raises(ValueError):
        speechmatics.fault("nonsense")
    speechmatics.fault("drop at=1s")
    speechmatics.clear_faults()
"""


async def test_users_tests_pass(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TESTS)
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        cwd=tmp_path,
        env={**os.environ, "SPEECHMQ_AMQP_URL": namespace.url},
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _ = await run.communicate()
    assert run.returncode == 0, said.decode()
    assert "2 passed" in said.decode()
