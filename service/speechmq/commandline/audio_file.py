"""Any audio file, as what can be sent of it: samples where they can be sent as they are, else the
file's own bytes, which the worker decodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from speechmq.errors import RecordingError, UndecodableAudio
from speechmq.media.decoder import FileDecoder

from .recording import Cut, NotSamples, Recording, read_recording

# The worker refuses larger messages.
LARGEST_CHUNK = 1024 * 1024
_READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class EncodedRecording:
    """A file of ``size`` bytes that lasts ``seconds``."""

    path: Path
    size: int
    seconds: float

    @property
    def audio_format(self) -> dict[str, Any]:
        return {"type": "file"}

    def cut(self, milliseconds: float) -> Cut:
        """In chunks of one size, which last about that long on average."""
        per_second = self.size / self.seconds
        size = min(LARGEST_CHUNK, max(1, round(per_second * milliseconds / 1000)))
        return Cut(size / per_second, self._chunks(size))

    def _chunks(self, size: int) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(size):
                    yield chunk
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be read: {error.strerror}") from error


def read_audio_file(path: Path) -> Recording | EncodedRecording:
    """What is in the file; raises ``RecordingError`` that says what to do."""
    try:
        return read_recording(path)
    except NotSamples as error:
        return _encoded(path, error)


def _encoded(path: Path, why_not_samples: NotSamples) -> EncodedRecording:
    try:
        _require_decodable(path)
        return EncodedRecording(path, path.stat().st_size, _seconds(path))
    except UndecodableAudio as error:
        cure = f"Convert it: ffmpeg -i {path.name} -ac 1 -c:a pcm_s16le mono.wav"
        raise RecordingError(f"{path} cannot be decoded: {error}. {cure}") from error
    except (FFmpegError, OSError):
        raise why_not_samples from None


def _require_decodable(path: Path) -> None:
    """By the same decoder that the worker has, as far as to the first samples."""
    with closing(FileDecoder(16_000)) as decoder, path.open("rb") as file:
        while chunk := file.read(_READ):
            if any(decoded.audio for decoded in decoder.feed(1, chunk)):
                return
        if not any(decoded.audio for decoded in decoder.finish()):
            raise UndecodableAudio("there is no sound in it")


def _seconds(path: Path) -> float:
    """As the file says, or as its packets do. Raises ``FFmpegError``."""
    with av.open(str(path)) as container:
        if container.duration:
            return container.duration / av.time_base
        last = 0.0
        for packet in container.demux(audio=0):
            if packet.pts is not None and packet.time_base is not None:
                last = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        return last or 1.0
