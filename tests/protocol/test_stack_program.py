"""Processes of the development stack, with small Python programs in their place."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from speechmq.dev import program as program_module
from speechmq.dev.program import Program, running
from speechmq.dev.stack import running_stack
from speechmq.errors import ChildFailed

SLEEP = "import time\nwhile True: time.sleep(60)"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"


def program(*lines: str) -> Program:
    """A Python program named `toy`, which is ready when it prints `ready…`."""
    code = "\n".join(textwrap.dedent(line) for line in lines)
    return Program("toy", (sys.executable, "-u", "-c", code), "ready", dict(os.environ))


def drop(name: str, line: str) -> None: ...


async def until_gone(*pids: int) -> None:
    async with asyncio.timeout(30):
        while any(_runs(pid) for pid in pids):  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids_in(line: str) -> list[int]:
    return [int(word) for word in line.split()[1:]]


ANNOUNCE = "import os\nprint('ready', os.getpid())"


async def test_child_is_ready_when_it_says_so_and_its_words_are_logged() -> None:
    logged: list[tuple[str, str]] = []
    words = program("print('one')", "print('ready at last')", "print('two')", SLEEP)
    over = asyncio.Event()

    def log(name: str, line: str) -> None:
        logged.append((name, line))
        if line == "two":
            over.set()

    async with running(words, log=log) as (_, line):
        assert line == "ready at last"
        async with asyncio.timeout(20):
            await over.wait()
    assert logged == [("toy", "one"), ("toy", "ready at last"), ("toy", "two")]


async def test_child_is_ended_with_the_block() -> None:
    async with running(program(ANNOUNCE, SLEEP), log=drop) as (_, line):
        pids = pids_in(line)
        assert _runs(pids[0])
    assert not _runs(pids[0])


async def test_child_has_time_for_a_clean_end(tmp_path: Path) -> None:
    farewell = tmp_path / "farewell"
    polite = program(
        "import signal, sys, pathlib",
        f"def leave(*_): pathlib.Path({str(farewell)!r}).write_text('bye'); sys.exit()",
        "signal.signal(signal.SIGTERM, leave)",
        "print('ready')",
        SLEEP,
    )
    async with running(polite, log=drop):
        pass
    assert farewell.read_text() == "bye"


async def test_child_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "GRACE_SECONDS", 0.2)
    async with running(program(STUBBORN, ANNOUNCE, SLEEP), log=drop) as (_, line):
        pids = pids_in(line)
    assert not _runs(pids[0])


async def test_what_a_child_started_ends_with_it() -> None:
    family = program(
        "import os, subprocess, sys",
        f"other = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])",
        "print('ready', os.getpid(), other.pid)",
        SLEEP,
    )
    async with running(family, log=drop) as (_, line):
        pids = pids_in(line)
    await until_gone(*pids)


async def test_child_that_ends_before_it_is_ready_fails_with_its_last_words() -> None:
    words = program("print('all is well')", "raise SystemExit('no key')")
    with pytest.raises(ChildFailed) as raised:
        async with running(words, log=drop):
            pass
    assert str(raised.value) == (
        "the toy ended with exit code 1 before it was ready. Its last words:\n"
        "  all is well\n  no key"
    )


async def test_child_that_is_never_ready_fails() -> None:
    with pytest.raises(ChildFailed, match=r"the toy was not ready within 0\.3 s"):
        async with running(program(SLEEP), log=drop, within=0.3):
            pass


async def test_child_that_ends_by_itself_is_noticed() -> None:
    with pytest.raises(ChildFailed) as raised:
        async with running(program(ANNOUNCE, "raise SystemExit(7)"), log=drop) as (toy, _):
            await toy.fail_when_ended()
    told = str(raised.value).splitlines()
    assert told[0] == (
        "the toy ended with exit code 7 although nobody asked it to. Its last words:"
    )


async def test_child_that_is_killed_is_noticed() -> None:
    with pytest.raises(ChildFailed, match="the toy ended with exit code 137 although"):  # noqa: PT012
        async with running(program(ANNOUNCE, SLEEP), log=drop) as (toy, line):
            os.kill(pids_in(line)[0], signal.SIGKILL)
            await toy.fail_when_ended()


async def test_child_may_say_more_than_fits_a_line_or_memory() -> None:
    talker = program(
        "print('x' * 3_000_000)",
        "for n in range(20_000): print('line', n)",
        "raise SystemExit(1)",
    )
    with pytest.raises(ChildFailed) as raised:
        async with running(talker, log=drop):
            pass
    assert str(raised.value).splitlines()[1:] == [f"  line {n}" for n in range(19_980, 20_000)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
async def test_child_does_not_outlive_an_owner_that_is_killed(number: signal.Signals) -> None:
    toy = (sys.executable, "-u", "-c", f"{ANNOUNCE}\n{SLEEP}")
    owner = f"""
        import asyncio, os, signal
        from speechmq.dev.program import Program, running

        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored

        async def main():
            toy = Program("toy", {toy!r}, "ready", dict(os.environ))
            async with running(toy, log=lambda *_: None) as (_, line):
                print(line, flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(owner), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        (pid,) = pids_in((await process.stdout.readline()).decode())
    supervisor = psutil.Process(pid).ppid()
    process.send_signal(number)
    await process.communicate()
    await until_gone(pid, supervisor)


async def test_stack_without_an_emulator_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("speechmq.dev.stack.EMULATOR", "not_installed_here")
    with pytest.raises(ChildFailed, match="pip install speechmq-emulator"):
        async with running_stack("ledger", report=lambda _: None, log=drop):
            pass
