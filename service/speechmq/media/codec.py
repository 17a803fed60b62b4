"""Packets of one stream to 16-bit samples of one channel at one rate, by libav's codecs.

Owns how many samples there should be: the filter that changes the rate holds some back, a damaged
packet gives none, and yet no sample may move.
"""

from __future__ import annotations

from collections.abc import Iterable

from av import AudioFrame, CodecContext, Packet
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.error import EOFError as EndOfFile
from av.error import FFmpegError

from ..errors import UndecodableAudio
from .packets import Head

SAMPLE_BYTES = 2
_RATES = range(1_000, 400_000)
_MOST_CHANNELS = 16
# A file none of whose first packets can be decoded is not what it says.
_HOPELESS = 25
# In seconds; damage that claims to be longer is not believed.
_LONGEST_SILENCE = 10

_Form = tuple[str, str, int]


class Codec:
    """``lead`` is where its first sample belongs, counted from where it is going to be put: silence
    fills what is before it, and what would come earlier is dropped. ``before`` is how many samples,
    at their own rate, the packet before gave."""

    def __init__(self, head: Head, rate: int, *, lead: int, before: int) -> None:
        self.damaged = 0
        self.before = before
        self._name = head.codec
        self._rate = rate
        self._context = _open(head)
        # Of Vorbis a packet gives what lies between it and the one before, so that the first one
        # decoded gives nothing; with all others, what a packet gives does not depend on that.
        self._owed = before if head.codec == "vorbis" else 0
        self._has_begun = False
        self._form: _Form | None = None
        self._resampler: AudioResampler | None = None
        self._since_form = 0
        self._due_before = lead
        self._made = 0
        self._ready = bytearray(SAMPLE_BYTES * max(0, lead))
        self._to_drop = SAMPLE_BYTES * max(0, -lead)
        self._has_decoded = False

    @property
    def lead(self) -> int:
        """Where the next packet's first sample belongs, counted from what was taken so far."""
        return self._due - self._made

    @property
    def _due(self) -> int:
        passed = self._since_form * self._rate // self._form[2] if self._form else 0
        return self._due_before + passed

    def decode(self, payload: bytes) -> None:
        """What cannot be decoded becomes silence as long as the packet before it."""
        try:
            frames = self._context.decode(Packet(payload))
        except EndOfFile:
            frames = []
        except FFmpegError:
            self._replace_damaged()
            return
        self._has_decoded = self._has_decoded or bool(frames)
        samples = sum(frame.samples for frame in frames)
        self._pay(frames, samples)
        self._hear(frames)
        self.before = samples or self.before

    def pass_over(self, samples: int) -> None:
        """So many are missing, at their own rate."""
        self.damaged += 1
        if self._form is not None:
            self._hear_silence(_like(self._form), min(samples, _LONGEST_SILENCE * self._form[2]))

    def finish(self) -> None:
        """Gives what the codec and the filter hold back."""
        try:
            self._hear(self._context.decode(None))
        except FFmpegError:
            self.damaged += 1
        self._flush()

    def take(self) -> bytes:
        taken = bytes(self._ready)
        self._ready.clear()
        self._made += len(taken) // SAMPLE_BYTES
        return taken

    @property
    def ready(self) -> int:
        """Samples that can be taken."""
        return len(self._ready) // SAMPLE_BYTES

    # -- frames ----------------------------------------------------------------------------------

    def _pay(self, frames: list[AudioFrame], samples: int) -> None:
        if not self._has_begun:
            self._owed, self._has_begun = max(0, self._owed - samples), True
        if self._owed and frames:
            self._hear_silence(frames[0], self._owed)
            self._owed = 0

    def _replace_damaged(self) -> None:
        self.damaged += 1
        if not self._has_decoded and self.damaged >= _HOPELESS:
            raise UndecodableAudio(f"none of its first {_HOPELESS} packets is {self._name}")
        if self._form is not None:
            self._hear_silence(_like(self._form), self.before)

    def _hear_silence(self, like: AudioFrame, samples: int) -> None:
        if samples > 0:
            silence = AudioFrame(like.format.name, like.layout.name, samples)
            silence.sample_rate = like.sample_rate
            byte = b"\x80" if like.format.name.startswith("u8") else b"\0"
            for plane in silence.planes:
                plane.update(byte * plane.buffer_size)
            self._hear([silence])

    def _hear(self, frames: Iterable[AudioFrame]) -> None:
        for frame in frames:
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if form != self._form:
                self._change_form(form, frame.layout.nb_channels)
            self._since_form += frame.samples
            frame.pts = None
            self._push(frame)

    def _change_form(self, form: _Form, channels: int) -> None:
        """Also within a file: two recordings in one."""
        require_form(form[2], channels)
        self._flush()
        self._due_before = self._due
        self._form, self._since_form = form, 0
        self._resampler = AudioResampler("s16", "mono", self._rate)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._push(None)
            self._resampler = None

    def _push(self, frame: AudioFrame | None) -> None:
        assert self._resampler is not None  # noqa: S101  # made with the form
        for mixed in self._resampler.resample(frame):
            samples = memoryview(mixed.planes[0])[: mixed.samples * SAMPLE_BYTES]
            dropped = min(self._to_drop, len(samples))
            self._to_drop -= dropped
            self._ready += samples[dropped:]


def _like(form: _Form) -> AudioFrame:
    name, layout, rate = form
    like = AudioFrame(name, layout, 0)
    like.sample_rate = rate
    return like


def _open(head: Head) -> AudioCodecContext:
    require_form(head.sample_rate, head.channels)
    try:
        context = CodecContext.create(head.codec, "r")
        assert isinstance(context, AudioCodecContext)  # noqa: S101  # by its name
        context.thread_count = 1
        context.sample_rate = head.sample_rate
        if head.channels:
            context.layout = _layout(head.channels)
        if head.extradata:
            context.extradata = head.extradata
        context.open(strict=False)
    except (FFmpegError, ValueError) as error:
        raise UndecodableAudio(f"its {head.codec} cannot be decoded: {error}") from error
    return context


def _layout(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels}c")


def require_form(sample_rate: int, channels: int) -> None:
    """Raises ``UndecodableAudio`` for what no sound has."""
    if sample_rate not in _RATES:
        raise UndecodableAudio(f"it claims {sample_rate} samples a second")
    if channels > _MOST_CHANNELS:
        raise UndecodableAudio(f"it has {channels} channels; {_MOST_CHANNELS} are the most")
