import struct

import av
import pytest

from speechmq.media.companding import pcm_of_alaw


def test_every_code_is_the_sample_that_another_decoder_makes_of_it() -> None:
    codes = bytes(range(256))
    decoder = av.CodecContext.create("pcm_alaw", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    [frame] = decoder.decode(av.Packet(codes))
    assert pcm_of_alaw(codes) == bytes(frame.planes[0])[:512]


@pytest.mark.parametrize(("code", "sample"), [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256)])
def test_silence_and_the_loudest(code: int, sample: int) -> None:
    assert pcm_of_alaw(bytes([code])) == struct.pack("<h", sample)


def test_nothing_is_nothing() -> None:
    assert pcm_of_alaw(b"") == b""
