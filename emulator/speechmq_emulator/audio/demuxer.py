"""A file's bytes -> frames of its first audio stream -> samples. Blocks where its source does."""

from collections.abc import Callable, Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError
from av.packet import Packet

from speechmq_emulator.audio.bytesource import Readable
from speechmq_emulator.audio.container import open_container
from speechmq_emulator.audio.errors import Undecodable
from speechmq_emulator.audio.raw import Samples


def decode(source: Readable, rate: int, emit: Callable[[Samples], None]) -> None:
    """``emit`` gets mono samples at ``rate`` as soon as they can be made, until the end.

    Raises:
        Undecodable: no known format, no audio in it, or damaged beyond going on. A file
            that is cut off is none of these: what there is of it is decoded.
    """
    with open_container(source) as container:
        if not container.streams.audio:
            raise Undecodable("there is no audio in it")
        mixer = _Mixer(rate, emit)
        for frame in _frames(container, container.streams.audio[0]):
            mixer.mix(frame)
        mixer.flush()
        if not mixer.any_samples:
            raise Undecodable("there are no samples in it")


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    for packet in _packets(container, stream):
        try:
            yield from stream.codec_context.decode(packet)
        except EndOfFile:
            return
        except FFmpegError:
            continue  # one damaged packet; the next begins anew


def _packets(container: InputContainer, stream: AudioStream) -> Iterator["Packet[AudioStream]"]:
    """All packets, then an empty one that makes the decoder give up what it holds back."""
    try:
        yield from container.demux(stream)
    except EndOfFile:
        return
    except FFmpegError as error:
        raise Undecodable(f"it is damaged ({error.strerror})") from error


class _Mixer:
    """Frames of any layout, format and rate -> mono samples at one rate."""

    def __init__(self, rate: int, emit: Callable[[Samples], None]) -> None:
        self.any_samples = False
        self._rate = rate
        self._emit = emit
        self._form: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def mix(self, frame: AudioFrame) -> None:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:  # also within a file: two MP3 files in one, for example
            self.flush()
            self._form = form
            self._resampler = AudioResampler("flt", "mono", self._rate)
        self._push(frame)

    def flush(self) -> None:
        self._push(None)

    def _push(self, frame: AudioFrame | None) -> None:
        if self._resampler is None:
            return
        for mixed in self._resampler.resample(frame):
            if mixed is not None and mixed.samples:
                self.any_samples = True
                self._emit(np.array(mixed.to_ndarray()[0], np.float32))
