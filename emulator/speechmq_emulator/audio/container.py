"""Which format a file has, by its first bytes, and how libav is made to read it.

Owns what libav may do with bytes from a stranger: formats are named, never guessed among
all it knows, since a playlist (HLS, concat) would have it open files and addresses of the
client's choice.
"""

import av
from av.container import InputContainer
from av.error import FFmpegError

from speechmq_emulator.audio.boxes import audio_comes_before_index
from speechmq_emulator.audio.bytesource import Readable, Scan
from speechmq_emulator.audio.errors import Undecodable
from speechmq_emulator.audio.wav import Limited, RawForm, read_head

FORMATS = "wav, mp3, aac, ogg, flac, amr, m4a, mp4 or mpeg"

_HEAD = 8
_MAGIC = (
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"#!AMR\n", "amr"),
    (b"RIFF", "wav"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"\x47", "mpegts"),
)
_GUESSED_AMONG = "mp3,aac"
_OPTIONS = {
    "protocol_whitelist": "none",
    # Bounds of how late the first samples come: what has been read to find the parameters
    # is decoded as well. A cover picture in front of the audio must fit in the first.
    "probesize": str(1024 * 1024),
    "analyzeduration": "100000",
}
_READ_SIZE = 4096


def open_container(source: Readable) -> InputContainer:
    """Waits for as many bytes as tell the format and its parameters.

    Raises:
        Undecodable: the format is none of ``FORMATS``.
    """
    scan = Scan(source)
    name = _format(scan.take(_HEAD))
    match name:
        case "wav":
            fresh = Scan(scan.rewind())
            form = read_head(fresh)
            if form is not None:
                return _open_raw(form, fresh.source)
            return _open(fresh.rewind(), name)
        case "mp4":
            fresh = Scan(scan.rewind())
            whole = audio_comes_before_index(fresh)
            return _open(fresh.take_all() if whole else fresh.rewind(), name)
    return _open(scan.rewind(), name)


def _format(head: bytes) -> str | None:
    """None where the first bytes leave it open (an ID3 tag, garbage before the audio)."""
    if head[4:8] == b"ftyp":
        return "mp4"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "mp3" if head[1] & 0x06 else "aac"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def _open_raw(form: RawForm, source: Readable) -> InputContainer:
    samples = source if form.length is None else Limited(source, form.length)
    return _open(samples, form.format, sample_rate=str(form.rate), ch_layout=form.layout)


def _open(source: object, name: str | None, **options: str) -> InputContainer:
    options |= _OPTIONS if name else {**_OPTIONS, "format_whitelist": _GUESSED_AMONG}
    try:
        return av.open(source, "r", format=name, options=options, buffer_size=_READ_SIZE)
    except (FFmpegError, ValueError) as error:
        raise Undecodable(f"it is none of {FORMATS}") from error
