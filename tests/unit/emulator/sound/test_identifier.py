"""Identifiers carry a voice over to another session; anything else is refused with a reason."""

import struct
from base64 import b64decode, b64encode
from zlib import crc32

import pytest

from speechmq_emulator.sound.identifier import IdentifierError, Print, read_identifier

VOICE = Print(tuple(i / 2 for i in range(13)), 250)


def altered(at: int, value: int) -> str:
    data = bytearray(b64decode(VOICE.identifier()))
    data[at] = value
    return b64encode(data).decode()


def signed(version: int, frames: int, *mean: float) -> str:
    body = struct.pack("!BI13f", version, frames, *mean)
    return b64encode(body + struct.pack("!I", crc32(body))).decode()


def test_identifier_comes_back() -> None:
    assert read_identifier(VOICE.identifier()) == VOICE


@pytest.mark.parametrize("text", ["", "S1", "not base64!", "AAAA", "AAAA" * 5000, "é" * 40])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError, match="is not one that this server gave"):
        read_identifier(text)


def test_damaged_identifier_is_refused() -> None:
    with pytest.raises(IdentifierError, match="is damaged"):
        read_identifier(altered(10, 255))


def test_identifier_of_another_version_is_refused() -> None:
    with pytest.raises(IdentifierError, match="has version 2, but this server reads 1"):
        read_identifier(signed(2, 250, *VOICE.mean))


@pytest.mark.parametrize(("frames", "first"), [(0, 0.0), (2**32 - 1, 0.0), (250, float("nan"))])
def test_identifier_of_no_voice_is_refused(frames: int, first: float) -> None:
    with pytest.raises(IdentifierError, match="describes no voice"):
        read_identifier(signed(1, frames, first, *VOICE.mean[1:]))
