"""The opaque text by which a later session knows a voice again.

A version, the number of frames, the 13 means of ``voiceprint`` and a checksum, in base64:
it cannot be told from noise, and noise is not taken for one.
"""

import math
import struct
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from zlib import crc32

from speechmq_emulator.sound.voiceprint import DIMENSIONS

_VERSION = 1
_BODY = struct.Struct(f"!BI{DIMENSIONS}f")
_CHECKSUM = struct.Struct("!I")
_MOST_FRAMES = 1_000_000


class IdentifierError(ValueError):
    """Says what is wrong with an identifier, to stand behind its name."""


@dataclass(frozen=True, slots=True)
class Print:
    """A voice's mean over so many frames."""

    mean: tuple[float, ...]
    frames: int

    def identifier(self) -> str:
        body = _BODY.pack(_VERSION, self.frames, *self.mean)
        return b64encode(body + _CHECKSUM.pack(crc32(body))).decode()


def read_identifier(identifier: str) -> Print:
    """The inverse of ``Print.identifier``.

    Raises:
        IdentifierError: it is not one, is damaged, or is of another version.
    """
    try:
        data = b64decode(identifier, validate=True)
        (checksum,) = _CHECKSUM.unpack(data[_BODY.size :])
        version, frames, *mean = _BODY.unpack(data[: _BODY.size])
    except (Base64Error, struct.error, ValueError) as error:
        raise IdentifierError("is not one that this server gave") from error
    if checksum != crc32(data[: _BODY.size]):
        raise IdentifierError("is damaged")
    if version != _VERSION:
        raise IdentifierError(f"has version {version}, but this server reads {_VERSION}")
    if not (0 < frames <= _MOST_FRAMES and all(map(math.isfinite, mean))):
        raise IdentifierError("describes no voice")
    return Print(tuple(mean), frames)
