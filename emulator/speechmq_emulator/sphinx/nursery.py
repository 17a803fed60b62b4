"""Loads the model once and forks a worker process for each session that it is handed.

Runs as a program of its own: one thread, no event loop, so that forking is safe, and the
model's 100 MB are shared. The server hands it one end of a socket pair for each session.
Nursery and workers end by themselves when the server does, even if it is killed: the only
other ends of their sockets are the server's.
"""

import os
import signal
import socket
import sys

from pocketsphinx import Decoder

from speechmq_emulator.sphinx.decoder import load_decoder
from speechmq_emulator.sphinx.worker import work

READY = b"R"


def main() -> None:
    """The argument is the number of the inherited control socket."""
    # Ctrl-C reaches the whole terminal; the server decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The kernel reaps workers.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        decoder = load_decoder()
        control.sendall(READY)
        _nurse(control, decoder)
    _wait_for_workers()


def _nurse(control: socket.socket, decoder: Decoder) -> None:
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        for descriptor in descriptors:
            with socket.socket(fileno=descriptor) as session:
                if os.fork() == 0:
                    control.close()
                    _be_worker(session, decoder)


def _be_worker(session: socket.socket, decoder: Decoder) -> None:
    code = 1
    try:
        work(session, decoder)
        code = 0
    except Exception:  # noqa: BLE001  # the process ends here, and must not return to the loop
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _wait_for_workers() -> None:
    """With SIGCHLD ignored, ``wait`` returns when the last child is gone, by raising."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


if __name__ == "__main__":
    main()
