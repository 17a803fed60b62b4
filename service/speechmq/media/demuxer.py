"""libav's demuxers, which pull bytes, for a decoder that is handed them as they come.

A demuxer runs in a thread of its own, and only while its owner waits for it: it is handed bytes,
and the owner goes on when the demuxer needs more. So what it gives depends on the bytes alone, and
nothing of it is shared between threads that run at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet as AvPacket

from ..errors import UndecodableAudio
from .packets import Pause

# No probing beyond the head, no file or address that a container names, no other format.
_OPTIONS = {
    "probesize": "32",
    "analyzeduration": "0",
    "protocol_whitelist": "",
    "enable_drefs": "0",
}
_READ = 4096
# The thread waits with so much for its owner, so that few bytes cannot fill memory.
_MOST_RESULTS, _MOST_RESULT_BYTES = 256, 1024 * 1024
# In seconds: how long the owner waits at once, and in all for one piece of bytes.
_PATIENCE, _MOST_WAITS = 0.02, 500


@dataclass(frozen=True, slots=True)
class Track:
    """What libav says of the audio in the file."""

    codec: str
    sample_rate: int
    channels: int
    extradata: bytes


@dataclass(frozen=True, slots=True)
class Demuxed:
    """A packet. ``stamp`` is the container's time in its own unit; ``time`` and ``duration`` are in
    samples, and so is ``skip``, the part that is not sound. ``offset`` is -1 where libav does not
    know it."""

    offset: int
    payload: bytes
    stamp: int
    time: int | None
    duration: int
    skip: int


class Demuxer:
    """``opening`` is what the demuxer reads before the bytes that ``feed`` brings."""

    def __init__(self, container_format: str, opening: bytes = b"") -> None:
        self._pipe = _Pipe(opening)
        arguments = (self._pipe, container_format)
        threading.Thread(target=_run, args=arguments, name="demuxer", daemon=True).start()

    def feed(self, encoded: bytes, *, is_last: bool = False) -> Iterator[Track | Demuxed | Pause]:
        """What becomes known with these bytes; ``is_last`` says that none follow.

        Raises ``UndecodableAudio`` for a file that cannot be read, and for one that keeps the
        demuxer busy for too long.
        """
        pipe = self._pipe
        pipe.hand_over(encoded, is_last=is_last)
        waits = 0
        while True:
            if not pipe.wait(_PATIENCE):
                waits += 1
                if waits > _MOST_WAITS:
                    raise UndecodableAudio(
                        f"{len(encoded)} bytes of it kept the reader busy for "
                        f"{_PATIENCE * _MOST_WAITS:.0f} s"
                    )
                yield Pause()
                continue
            results, pipe.results = pipe.results, []
            yield from results
            if pipe.error is not None:
                raise _undecodable(pipe.error) from pipe.error
            if not pipe.is_full:
                return
            pipe.go_on()

    @property
    def has_ended(self) -> bool:
        """Whether the demuxer takes no more bytes: it found the end of its file, or an error."""
        return self._pipe.is_done

    def close(self) -> None:
        """Ends the thread as soon as it reads."""
        self._pipe.close()


class _Closed(Exception):
    """The owner needs nothing more."""


class _Pipe:
    """A file as libav reads it. The owner's and the demuxer's thread take turns: ``_go`` and
    ``_idle`` are locks, which each of them releases for the other."""

    def __init__(self, opening: bytes) -> None:
        self.results: list[Track | Demuxed | Pause] = []
        self.error: BaseException | None = None
        self.is_done = self.is_full = False
        self._bytes = bytearray(opening)
        self._result_bytes = 0
        self._is_last = self._is_closed = False
        self._go, self._idle = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._idle.acquire()

    # -- the owner's side ------------------------------------------------------------------------

    def hand_over(self, encoded: bytes, *, is_last: bool) -> None:
        self._bytes += encoded
        self._is_last = is_last
        self.go_on()

    def go_on(self) -> None:
        self.is_full = False
        if self.is_done:
            self._idle.release()
        else:
            self._go.release()

    def wait(self, seconds: float) -> bool:
        """Whether the demuxer has come as far as it can."""
        return self._idle.acquire(timeout=seconds)

    def close(self) -> None:
        self._is_closed = True
        if self._go.locked():
            self._go.release()

    # -- the demuxer's side ----------------------------------------------------------------------

    def begin(self) -> None:
        self._go.acquire()

    def read(self, size: int) -> bytes:
        while not self._bytes and not self._is_last and not self._is_closed:
            self._rest()
        taken = bytes(self._bytes[:size])
        del self._bytes[:size]
        return taken

    def put(self, result: Track | Demuxed, size: int = 0) -> None:
        self.results.append(result)
        self._result_bytes += size
        if len(self.results) >= _MOST_RESULTS or self._result_bytes >= _MOST_RESULT_BYTES:
            self.is_full, self._result_bytes = True, 0
            self._rest()
        if self._is_closed:
            raise _Closed

    def _rest(self) -> None:
        if not self._is_closed:
            self._idle.release()
            self._go.acquire()

    def end(self, error: BaseException | None) -> None:
        self.error, self.is_done = error, True
        self._idle.release()


def _run(pipe: _Pipe, container_format: str) -> None:
    error: BaseException | None = None
    try:
        pipe.begin()
        _demux(pipe, container_format)
    except _Closed:
        return
    except BaseException as raised:  # noqa: BLE001  # raised again where its owner waits
        error = raised
    pipe.end(error)


def _demux(pipe: _Pipe, container_format: str) -> None:
    file: Any = pipe
    options = _OPTIONS | {"format_whitelist": container_format}
    with av.open(file, format=container_format, options=options, buffer_size=_READ) as container:
        if not container.streams.audio:
            raise UndecodableAudio("there is no audio in it")
        stream = container.streams.audio[0]
        pipe.put(_track(stream))
        scale = (stream.codec_context.sample_rate or 0) * (stream.time_base or Fraction(0))
        for packet in _packets(container, stream):
            pipe.put(_demuxed(packet, scale.numerator, scale.denominator), packet.size)


def _packets(
    container: av.container.InputContainer, stream: AudioStream
) -> Iterator[AvPacket[AudioStream]]:
    """Also after bytes that are no packet, as long as some packet follows."""
    has_more = True
    while has_more:
        has_more = False
        try:
            for packet in container.demux(stream):
                if packet.size:
                    has_more = True
                    yield packet
            return
        except InvalidDataError:
            if not has_more:
                raise


def _track(stream: AudioStream) -> Track:
    context: AudioCodecContext | None = stream.codec_context
    if context is None:
        raise UndecodableAudio("its audio is of a kind that is not known")
    name = context.codec.canonical_name
    rate, channels = context.sample_rate or 0, context.channels or 0
    return Track(name, rate, channels, bytes(context.extradata or b""))


def _demuxed(packet: AvPacket[AudioStream], numerator: int, denominator: int) -> Demuxed:
    """Times are multiplied by ``numerator / denominator``, which makes samples of them."""
    skip = 0
    for data in packet.iter_sidedata():
        if data.data_type == "skip_samples":
            skip = int.from_bytes(bytes(data)[:4], "little")
    half = denominator // 2
    return Demuxed(
        -1 if packet.pos is None else packet.pos,
        bytes(packet),
        packet.dts or 0,
        None if packet.dts is None else (packet.dts * numerator + half) // denominator,
        ((packet.duration or 0) * numerator + half) // denominator,
        skip,
    )


def _undecodable(error: BaseException) -> BaseException:
    if isinstance(error, FFmpegError):
        return UndecodableAudio(f"libav cannot read it: {error.strerror}")
    return error if not isinstance(error, UndecodableAudio) else UndecodableAudio(str(error))
