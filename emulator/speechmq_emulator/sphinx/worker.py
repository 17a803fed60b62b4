"""A session's own process: reads its audio from the server, writes transcripts back.

Ends when the session is over, or when the server's end of the socket is gone, however
that came about.
"""

from io import BufferedReader
from socket import socket

import numpy as np
from pocketsphinx import Decoder

from speechmq_emulator.audio import Resampler, SampleReader, Samples
from speechmq_emulator.protocol.config import RawAudio, StartRecognition
from speechmq_emulator.speech.events import Transcript
from speechmq_emulator.sphinx.decoder import RATE, Pcm, UtteranceDecoder, VoiceDetector
from speechmq_emulator.sphinx.endpointer import FRAME_SECONDS
from speechmq_emulator.sphinx.frames import HEADER, Kind, dump_event, frame
from speechmq_emulator.sphinx.recogniser import Recogniser


def work(connection: socket, decoder: Decoder) -> None:
    """Serve the one session at the other end of ``connection``."""
    try:
        with connection, connection.makefile("rb") as frames:
            _serve(connection, frames, decoder)
    except (EOFError, ConnectionError):
        return  # The server gave the session up, or is gone itself.


def _serve(connection: socket, frames: BufferedReader, decoder: Decoder) -> None:
    _, config = _read_frame(frames)
    stream = _Stream(StartRecognition.model_validate_json(config), decoder)
    connection.sendall(frame(Kind.READY))
    while True:
        kind, payload = _read_frame(frames)
        if kind is Kind.END:
            _send(connection, stream.finish())
            connection.sendall(frame(Kind.DONE))
            return
        # Taken means read, not recognised: a long chunk is confirmed before it is decoded.
        connection.sendall(frame(Kind.TAKEN))
        _send(connection, stream.feed(payload))


def _read_frame(frames: BufferedReader) -> tuple[Kind, bytes]:
    kind, length = HEADER.unpack(_read(frames, HEADER.size))
    return Kind(kind), _read(frames, length)


def _read(frames: BufferedReader, size: int) -> bytes:
    data = frames.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _send(connection: socket, events: list[Transcript]) -> None:
    if events:
        connection.sendall(b"".join(frame(Kind.EVENT, dump_event(event)) for event in events))


class _Stream:
    """Bytes of one session -> transcripts."""

    def __init__(self, start: StartRecognition, decoder: Decoder) -> None:
        audio_format = start.audio_format
        if not isinstance(audio_format, RawAudio):
            raise TypeError(f"PocketSphinx reads raw audio, not {audio_format.type!r}")
        self._rate = audio_format.sample_rate
        self._received = 0
        self._reader = SampleReader(audio_format.encoding)
        self._resampler = Resampler(self._rate, RATE)
        voice = VoiceDetector(FRAME_SECONDS)
        self._recogniser = Recogniser(UtteranceDecoder(decoder), voice, start.transcription_config)

    def feed(self, chunk: bytes) -> list[Transcript]:
        samples = self._reader.read(chunk)
        self._received += len(samples)
        return self._recogniser.feed(_pcm(self._resampler.resample(samples)))

    def finish(self) -> list[Transcript]:
        rest = self._resampler.resample(np.zeros(0, np.float32), last=True)
        events = self._recogniser.feed(_pcm(rest))
        return events + self._recogniser.finish(self._received / self._rate)


def _pcm(samples: Samples) -> Pcm:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)
