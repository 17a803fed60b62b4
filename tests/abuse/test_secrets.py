"""No entry point shows a secret, wherever in the settings it stands and whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from speechmq.commandline.connection import address
from speechmq.errors import KeyUnavailable, RequestError, SettingsError
from speechmq.settings import Settings
from speechmq.settings.upstream import UpstreamSettings
from speechmq.upstream.service import Upstream
from speechmq_schemas import CreateTemporaryKey

pytestmark = pytest.mark.timeout(240)
MARK = "hush"
NOWHERE = "127.0.0.1:1"
EVERYWHERE = {
    "SPEECHMQ_BROKER__URL": f"amqp://me:{MARK}-broker%2F%23@{NOWHERE}/",
    "SPEECHMQ_BROKER__CONNECT_TIMEOUT": "2",
    "SPEECHMQ_UPSTREAM__URL": f"ws://me:{MARK}-url@{NOWHERE}/v2?jwt={MARK}-jwt",
    "SPEECHMQ_UPSTREAM__FALLBACK_URLS": f'["ws://me:{MARK}-fallback@{NOWHERE}/v2"]',
    "SPEECHMQ_UPSTREAM__REDIRECT_URLS": f'["ws://me:{MARK}-redirect@{NOWHERE}/v2"]',
    "SPEECHMQ_UPSTREAM__API_KEY": f"{MARK}-key",
    "SPEECHMQ_UPSTREAM__AUTH": "temporary_key",
    "SPEECHMQ_UPSTREAM__MANAGEMENT_URL": f"http://me:{MARK}-management@{NOWHERE}/v1",
    "SPEECHMQ_UPSTREAM__PROXY": f"http://me:{MARK}-proxy@{NOWHERE}",
    "SPEECHMQ_UPSTREAM__CREDENTIALS__LAB__URL": f"ws://me:{MARK}-lab@{NOWHERE}/v2",
    "SPEECHMQ_UPSTREAM__CREDENTIALS__LAB__API_KEY": f"{MARK}-lab-key",
    "SPEECHMQ_TELEMETRY__OTLP_ENDPOINT": f"http://me:{MARK}-otlp@{NOWHERE}",
    "SPEECHMQ_TELEMETRY__OTLP_HEADERS": f'{{"authorization": "{MARK}-header"}}',
    "SPEECHMQ_TELEMETRY__METRICS_INTERVAL": "0.2",
    "SPEECHMQ_CONSOLE_TOKEN": f"{MARK}-console-token",
    "SPEECHMQ_MANAGEMENT_URL": f"http://me:{MARK}-http@{NOWHERE}",
    "SPEECHMQ_LOG__LEVEL": "DEBUG",
}
UNREADABLE = {
    "a slash": f"amqp://me:{MARK}/broker@{NOWHERE}/",
    "a number and a slash": f"amqp://me:12/{MARK}@{NOWHERE}/",
    "a question mark": f"amqp://me:12?{MARK}@{NOWHERE}/",
    "a hash": f"amqp://me:12#{MARK}@{NOWHERE}/",
    "a bracket": f"amqp://me:[{MARK}@{NOWHERE}/",
    "another scheme": f"http://me:{MARK}@{NOWHERE}/",
}
SAMPLE = Path(__file__).parents[2] / "samples"
FEW = asyncio.Semaphore(3)
COMMANDS = {
    "worker --check": ["worker", "--check"],
    "worker": ["worker"],
    "doctor": ["doctor"],
    "send": ["send", str(next(SAMPLE.glob("*.wav")))],
    "listen": ["listen"],
    "captions": ["captions", "one"],
    "status": ["status", "one"],
    "dead list": ["dead", "list"],
    "console": ["console", "--listen", "127.0.0.1:0"],
}

GOES_ON = {"console": "cannot be reached"}


async def output_of(words: list[str], settings: dict[str, str], until: str | None) -> str:
    """All that it says until it ends; one that goes on is stopped once it has said ``until``.

    Few run at once: each takes a second of a core to start.
    """
    inherited = {key: value for key, value in os.environ.items() if "SPEECHMQ" not in key}
    said: list[str] = []
    async with FEW, asyncio.timeout(100):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "speechmq.cli", *words),
            stdout=PIPE,
            stderr=STDOUT,
            env={**inherited, **settings},
        )
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                said.append(line.decode(errors="replace"))
                if until is not None and until in said[-1]:
                    process.send_signal(signal.SIGTERM)
                    until = None
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    return "".join(said)


def lines_with_the_mark(said: str) -> list[str]:
    return [line for line in said.splitlines() if MARK in line]


async def test_no_command_shows_a_secret_of_its_settings() -> None:
    """RabbitMQ, the recogniser, the proxy, the management API and the collector are all down."""
    async with asyncio.TaskGroup() as tasks:
        running = {
            name: tasks.create_task(output_of(words, EVERYWHERE, GOES_ON.get(name)))
            for name, words in COMMANDS.items()
        }
        as_json = {**EVERYWHERE, "SPEECHMQ_LOG__FORMAT": "json"}
        running["worker, json"] = tasks.create_task(output_of(["worker"], as_json, "worker_failed"))
    said = {name: one.result() for name, one in running.items()}
    assert {name: lines_with_the_mark(one) for name, one in said.items()} == {
        name: [] for name in said
    }
    assert "worker_failed" in said["worker"]
    assert '"event": "worker_failed"' in said["worker, json"]
    assert '"management_url": "http://127.0.0.1:1/v1"' in said["worker --check"]
    for name in ("send", "listen", "captions", "status", "dead list"):
        assert NOWHERE in said[name], said[name]


@pytest.mark.parametrize("why", UNREADABLE)
def test_url_whose_password_is_not_escaped_is_refused_without_it(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMQ_BROKER__URL", UNREADABLE[why])
    with pytest.raises(SettingsError) as by_worker:
        Settings.load()
    with pytest.raises(RequestError) as by_command:
        address(UNREADABLE[why])
    for caught in (by_worker, by_command):
        told = "".join(traceback.format_exception(caught.value))
        assert MARK not in told.replace(f'"{MARK}"', "")
        assert "URL" in told


async def test_answer_to_a_request_for_a_key_shows_no_password() -> None:
    """What is raised here is the text of ``RequestFailed``."""
    given = UpstreamSettings(
        api_key=f"{MARK}-key",
        management_url=f"http://me:{MARK}@{NOWHERE}/v1",
        proxy="direct",
    )
    with pytest.raises(KeyUnavailable) as caught:
        await Upstream(given, lambda: 0.0).temporary_key(CreateTemporaryKey(ttl=60))
    assert str(caught.value).startswith("http://127.0.0.1:1/v1 made no temporary key: ")
    assert MARK not in str(caught.value)


def test_every_secret_of_the_settings_is_known_to_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EVERYWHERE.items():
        monkeypatch.setenv(name, value)
    known = Settings.load().secrets()
    assert {one for one in known if "://" not in one} == {
        f"{MARK}-broker%2F%23",
        f"{MARK}-broker/#",
        *(
            f"{MARK}-{name}"
            for name in (
                *("url", "jwt", "fallback", "redirect", "key", "management", "proxy", "lab"),
                *("lab-key", "otlp", "header"),
            )
        ),
    }
