"""`speechmq topology`: exchanges and queues before any worker."""

from __future__ import annotations

import json

import aiormq
import pytest
from tests.support.broker import Namespace
from tests.support.command_line import run_speechmq

from speechmq.commandline import topology
from speechmq.commandline.exits import ExitCode
from speechmq.settings import BrokerSettings, Settings

QUEUES = {"speechmq.start", "speechmq.early", "speechmq.claims", "speechmq.dead"}


def settings(namespace: Namespace) -> Settings:
    return Settings(broker=BrokerSettings.model_validate({"url": namespace.url}))


async def test_apply_makes_all_that_check_looks_for(
    namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await topology._check(settings(namespace)) is ExitCode.FAILED
    assert "FAILED   queue speechmq.claims\n" in capsys.readouterr().out
    assert await namespace.queues() == {}  # it changed nothing

    assert await topology._apply(settings(namespace)) is ExitCode.ENDED
    assert set(await namespace.queues()) >= QUEUES
    capsys.readouterr()

    assert await topology._check(settings(namespace)) is ExitCode.ENDED
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * len(lines)
    assert len(lines) > len(QUEUES)


async def test_print_shows_what_a_worker_would_declare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_BROKER__NAMESPACE", "calls")
    done = await run_speechmq("topology", "print")
    printed = json.loads(done.out)
    assert {"calls.start", "calls.claims"} <= {one["name"] for one in printed["queues"]}
    assert {"calls.in", "calls.events"} <= {one["name"] for one in printed["exchanges"]}


async def test_other_arguments_are_named_and_nothing_is_changed(
    namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = await aiormq.connect(namespace.url)
    channel = await connection.channel()
    await channel.queue_declare(
        "speechmq.claims", durable=True, arguments={"x-queue-type": "classic"}
    )
    await connection.close()
    for command in (topology._check, topology._apply):
        assert await command(settings(namespace)) is ExitCode.FAILED
        assert "inequivalent arg 'x-queue-type'" in capsys.readouterr().out.replace("\n", " ")
