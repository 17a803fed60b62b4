"""The server's hold on the nursery: starts it, asks it for workers, starts it anew if it died."""

import asyncio
import os
import socket
import subprocess
import sys

from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.sphinx.nursery import READY

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 10.0


class NurseryError(RuntimeError):
    """PocketSphinx could not be started."""


class Nursing:
    """Owns the nursery's process from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Return when the model is loaded.

        Raises:
            NurseryError: it did not load, or not within 60 s; its standard error says why.
        """
        control = self._launch()
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                answer = await asyncio.get_running_loop().sock_recv(control, 1)
            if answer != READY:
                raise NurseryError("PocketSphinx did not load its model; see its message above")
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                sentence = f"PocketSphinx did not load its model within {_START_TIMEOUT:.0f} s"
                raise NurseryError(sentence) from error
            raise

    def _launch(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # nothing of it comes from outside
                [sys.executable, "-m", "speechmq_emulator.sphinx.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # A process that forks must have one thread only.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        self._control = ours
        return ours

    async def fork(self) -> socket.socket:
        """A new worker's socket.

        Raises:
            Refusal: ``job_error``, no worker could be started.
        """
        async with self._starting:
            try:
                if self._process is None or self._process.poll() is not None:
                    await self.stop()
                    await self.start()
                return self._hand_over()
            except (OSError, NurseryError) as error:
                reason = f"No recogniser could be started: {error}"
                raise Refusal(ErrorType.JOB_ERROR, reason) from error

    def _hand_over(self) -> socket.socket:
        if self._control is None:
            raise NurseryError("the nursery is not running")
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"F"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    async def stop(self) -> None:
        """End the nursery; workers whose sessions are over end with it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        process, self._process = self._process, None
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, _STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
