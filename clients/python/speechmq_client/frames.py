"""Puts small frames of audio together, because RabbitMQ spends its time by message. Pure.

Times are seconds of any clock that only goes forward; the caller brings them.
"""

from __future__ import annotations

from dataclasses import dataclass

from speechmq_schemas import FileAudioFormat, StartStream
from speechmq_schemas.config import BYTES_PER_SAMPLE

LONGEST_CHUNK = 1.0
"""Seconds of raw audio in one message at most; a worker refuses 5."""

FILE_CHUNK = 4096
"""Bytes of a file that are not held back: a browser's recorder gives more at a time."""

LARGEST_CHUNK = 262_144
"""Bytes in one message at most; a worker refuses 1 MiB."""


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """How audio is cut. All sizes are in bytes.

    ``frame``: a sample of every channel that is interleaved; a chunk holds whole frames.
    ``least``: less than that waits for more, for ``linger`` seconds.
    ``most``: more than that is cut.
    ``rate``: bytes a second, or 0 where they are not known.
    """

    frame: int
    least: int
    most: int
    linger: float
    rate: float = 0.0

    @classmethod
    def of(cls, start: StartStream, chunk_seconds: float) -> ChunkSize:
        """Chunks of ``chunk_seconds`` for raw audio; a file's bytes wait for twice as long."""
        linger = 2 * chunk_seconds
        if isinstance(start.audio_format, FileAudioFormat):
            return cls(frame=1, least=FILE_CHUNK, most=LARGEST_CHUNK, linger=linger)
        channels = start.channels
        width = len(channels.labels) if channels and channels.layout == "interleaved" else 1
        frame = BYTES_PER_SAMPLE[start.audio_format.encoding] * width
        rate = start.audio_format.sample_rate
        return cls(
            frame=frame,
            least=max(1, round(rate * chunk_seconds)) * frame,
            most=min(max(1, int(rate * LONGEST_CHUNK)), LARGEST_CHUNK // frame) * frame,
            linger=linger,
            rate=float(rate * frame),
        )

    def seconds(self, size: int) -> float:
        """How long ``size`` bytes last; 0 where that is not known."""
        return size / self.rate if self.rate else 0.0


class FrameJoiner:
    """Takes audio in any pieces, gives it back in chunks: the same bytes, in the same order.

    ``deadline`` is when ``flush`` is due, or None while nothing waits.
    """

    def __init__(self, size: ChunkSize) -> None:
        self._size = size
        self._held = bytearray()
        self.deadline: float | None = None

    def add(self, audio: bytes | bytearray | memoryview, now: float) -> list[bytes]:
        """The chunks that are complete with ``audio``; the rest is held back."""
        size = self._size
        if not self._held and len(audio) == size.least:
            return [bytes(audio)]
        self._held += audio
        if len(self._held) < size.least:
            if self.deadline is None and self._held:
                self.deadline = now + size.linger
            return []
        return self._cut()

    def flush(self) -> list[bytes]:
        """Everything that is held back, but for a part of a frame."""
        return self._cut()

    @property
    def held(self) -> int:
        """Bytes that are held back."""
        return len(self._held)

    def _cut(self) -> list[bytes]:
        held, most = self._held, self._size.most
        whole = len(held) - len(held) % self._size.frame
        chunks = [bytes(held[at : min(at + most, whole)]) for at in range(0, whole, most)]
        del held[:whole]
        # A part of a frame waits for its rest, which no time brings.
        self.deadline = None
        return chunks
