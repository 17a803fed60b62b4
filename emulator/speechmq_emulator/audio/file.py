"""An encoded file that arrives in chunks -> samples, as early as its format allows.

The demuxer asks for bytes where they run out, so it runs in a thread of its own; the two
work in step, never at once (``inlet``). The thread ends with the file or with its reader.
"""

import weakref
from threading import Thread

import numpy as np

from speechmq_emulator.audio.demuxer import decode
from speechmq_emulator.audio.errors import Undecodable
from speechmq_emulator.audio.inlet import Abandoned, Inlet
from speechmq_emulator.audio.raw import Samples

FILE_RATE = 16_000
MAX_SECONDS_AT_ONCE = 3600
"""What one chunk may decode to: some formats turn a few bytes into hours of silence."""


class FileReader:
    """Samples of one channel at ``rate``, whatever the file's rate and channels are.

    A file that no reader is left of ends its thread, decoded or not.
    """

    def __init__(self, rate: int = FILE_RATE) -> None:
        self._inlet = Inlet()
        self._decoded = _Decoded(MAX_SECONDS_AT_ONCE * rate)
        # The thread must not keep its reader alive: it is told when the reader is gone.
        self._thread = Thread(
            target=_decode, args=(self._inlet, rate, self._decoded), name="demuxer", daemon=True
        )
        self._thread.start()
        weakref.finalize(self, self._inlet.abandon)

    def read(self, chunk: bytes) -> Samples:
        """All that the bytes so far can be decoded to, and that has not been returned yet.

        Raises:
            Undecodable: the bytes are no audio; every later call raises the same.
        """
        self._inlet.put(chunk)
        return self._decoded.take()

    def finish(self) -> Samples:
        """The samples that were held back; of a file that is cut off, all there are.

        Raises:
            Undecodable: as ``read``, and for a file without a sample in it.
        """
        self._inlet.end()
        self._thread.join()
        return self._decoded.take()


class _Decoded:
    """What the demuxer's thread has made; it and the reader's never touch it at once."""

    def __init__(self, limit: int) -> None:
        self.failure: Undecodable | None = None
        self._limit = limit
        self._samples: list[Samples] = []
        self._length = 0

    def add(self, samples: Samples) -> None:
        self._samples.append(samples)
        self._length += len(samples)
        if self._length > self._limit:
            raise Undecodable(f"more than {MAX_SECONDS_AT_ONCE} s of audio come at once")

    def take(self) -> Samples:
        if self.failure is not None:
            raise self.failure
        samples, self._samples, self._length = self._samples, [], 0
        return np.concatenate(samples) if samples else np.zeros(0, np.float32)


def _decode(inlet: Inlet, rate: int, decoded: _Decoded) -> None:
    try:
        decode(inlet, rate, decoded.add)
    except Abandoned:
        pass
    except Undecodable as error:
        decoded.failure = error
    finally:
        inlet.stop()
