"""A session's own process: reads commands and audio from the server, writes reports back.

Ends when the session is over, or when the server's end of the socket is gone, however
that came about.
"""

from collections.abc import Sequence
from functools import partial
from io import BufferedReader
from socket import socket

from pocketsphinx import Decoder

from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.speech.channel import FAULTS, Channel, failed
from speechmq_emulator.speech.events import Failed, Heard
from speechmq_emulator.sphinx.decoder import RATE
from speechmq_emulator.sphinx.frames import HEADER, Kind, dump_event, frame, load_time
from speechmq_emulator.sphinx.recogniser import make_recogniser


def work(connection: socket, decoder: Decoder) -> None:
    """Serve the one session at the other end of ``connection``."""
    try:
        with connection, connection.makefile("rb") as frames:
            _Session(connection, frames, decoder).serve()
    except (EOFError, ConnectionError):
        return  # The server gave the session up, or is gone itself.


class _Session:
    """One channel's audio and commands, in the order in which they came."""

    def __init__(self, connection: socket, frames: BufferedReader, decoder: Decoder) -> None:
        self._connection = connection
        self._frames = frames
        self._make_recogniser = partial(make_recogniser, decoder)

    def serve(self) -> None:
        try:
            self._serve()
        except FAULTS as fault:
            self._report([failed(fault)])

    def _serve(self) -> None:
        _, payload = self._read_frame()
        start = StartRecognition.model_validate_json(payload)
        channel = Channel(start, self._make_recogniser, rate=RATE)
        self._write(Kind.READY)
        self._report(channel.begin())
        while True:
            kind, payload = self._read_frame()
            if kind is Kind.END:
                self._report(channel.finish())
                self._report(channel.last_speakers())
                self._write(Kind.DONE)
                return
            if kind is Kind.AUDIO:
                # Taken means read, not recognised: a long chunk is confirmed before it is decoded.
                self._write(Kind.TAKEN)
            self._report(_obey(channel, kind, payload))

    def _read_frame(self) -> tuple[Kind, bytes]:
        kind, length = HEADER.unpack(self._read(HEADER.size))
        return Kind(kind), self._read(length)

    def _read(self, size: int) -> bytes:
        data = self._frames.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _report(self, events: Sequence[Heard | Failed]) -> None:
        if events:
            frames = (frame(Kind.EVENT, dump_event(event)) for event in events)
            self._connection.sendall(b"".join(frames))

    def _write(self, kind: Kind) -> None:
        self._connection.sendall(frame(kind))


def _obey(channel: Channel, kind: Kind, payload: bytes) -> list[Heard]:
    match kind:
        case Kind.AUDIO:
            return channel.feed(payload)
        case Kind.END_UTTERANCE:
            return channel.end_utterance(load_time(payload))
        case Kind.CONFIGURE:
            return channel.configure(TranscriptionConfig.model_validate_json(payload))
        case Kind.TELL_SPEAKERS:
            return channel.tell_speakers()
        case _:
            raise ValueError(f"the server sent {kind.name}, which is no command")
