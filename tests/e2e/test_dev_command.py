"""`speechmq dev`: the whole stack as one command, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest
from tests.support.command_line import Running, run_speechmq, speechmq
from tests.support.wav_files import write_wav

from speechmq_emulator.ledger.codec import encode

NUMBERS = range(100, 115)  # 3 s


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "numbers.wav", encode(NUMBERS))


async def broker_url(dev: Running) -> str:
    """The URL that a stack prints when all of it is ready."""
    return os.path.expandvars((await dev.line("broker  ", within=50)).split()[1])


async def until_gone(processes: list[psutil.Process]) -> None:
    async with asyncio.timeout(30):
        while alive := [one for one in processes if _runs(one)]:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.05)
    assert alive == []


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def worker_among(processes: list[psutil.Process]) -> psutil.Process:
    """The worker itself, not its supervisor."""
    (found,) = (one for one in processes if one.cmdline()[1:] == ["-m", "speechmq.cli", "worker"])
    return found


async def test_stack_transcribes_what_is_sent_to_it_and_ends_on_ctrl_c(wav: Path) -> None:
    async with speechmq("dev", "--engine", "ledger") as dev:
        url = await broker_url(dev)
        family = dev.descendants()
        sent = await run_speechmq("send", str(wav), "--url", url, "--speed", "3", "--json")
        await dev.line("Ctrl-C ends it all.")
        dev.interrupt()
        done = await dev.finish()
    events = [json.loads(line) for line in sent.out.splitlines()]
    finals = [event["body"] for event in events if event["type"] == "FinalTranscript"]
    words = " ".join(final["transcript"] for final in finals).split()
    assert [word.strip(".") for word in words] == [f"w{number}" for number in NUMBERS]
    assert (sent.code, sent.err) == (0, "")
    assert (done.code, done.out, done.err) == (0, "", "")
    # Emulator, worker and their supervisors; and a node, unless the broker was given.
    assert len(family) >= 4
    await until_gone(family)


async def test_nothing_of_the_stack_outlives_it_when_it_is_killed() -> None:
    async with speechmq("dev", "--engine", "ledger") as dev:
        await broker_url(dev)
        family = dev.descendants()
        dev.send_signal(signal.SIGKILL)
        done = await dev.finish()
        await until_gone(family)
    assert done.code == -signal.SIGKILL


async def test_stack_ends_and_says_why_when_its_worker_dies() -> None:
    async with speechmq("dev", "--engine", "ledger") as dev:
        await broker_url(dev)
        family = dev.descendants()
        worker_among(family).kill()
        done = await dev.finish()
        await until_gone(family)
    assert done.code == 3
    assert done.err.splitlines()[0] == (
        "speechmq: the worker ended with exit code 137 although nobody asked it to. Its last words:"
    )
    assert "  speechmq: worker ready" in done.err.splitlines()


async def test_demo_shows_captions_and_sums_up(wav: Path) -> None:
    """And says where they can be watched, which is a page that is there."""
    async with speechmq("dev", "--demo", "--engine", "ledger", "--file", str(wav)) as dev:
        told = await dev.line("watch it in a browser: ", within=50)
        async with httpx.AsyncClient() as http:
            page = await http.get(told.split()[-1])
        done = await dev.finish(within=50)
    assert (page.status_code, "<title>" in page.text) == (200, True)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    figures = {line[:15].strip(): line[16:] for line in lines}
    assert figures["words"] == "15"
    assert figures["first partial"].endswith(" s after its first word")
    assert figures["final, median"].endswith(" s after its last word")
    assert "StreamAccepted 1, StreamEnded 1, StreamStarted 1" in figures["events"]
    assert any("w100" in line for line in lines)


async def test_demo_does_not_start_anything_for_a_file_that_it_cannot_send(tmp_path: Path) -> None:
    unreadable = await run_speechmq("dev", "--demo", "--file", str(tmp_path / "none.wav"))
    pointless = await run_speechmq("dev", "--file", "x.wav")
    assert (unreadable.code, pointless.code) == (2, 2)
    assert unreadable.out == ""
    assert unreadable.err.endswith("none.wav cannot be read: No such file or directory\n")
    assert pointless.err == "speechmq: --file names what --demo sends: give both\n"
