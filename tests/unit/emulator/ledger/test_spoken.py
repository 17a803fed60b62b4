"""Everything that a block may say fits in its bits, and comes back out of them."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq_emulator.ledger import Block, Spoken, decode, encode
from speechmq_emulator.ledger.spoken import MAX_NUMBER, AudioEventKind

KINDS = st.none() | st.sampled_from(get_args(AudioEventKind))
SPOKEN = st.builds(
    Spoken,
    st.integers(0, MAX_NUMBER),
    voice=st.sampled_from([1, 2]),
    ends_sentence=st.booleans(),
    disfluency=st.booleans(),
    in_words=st.booleans(),
    quiet=st.booleans(),
    begins=KINDS,
    ends=KINDS,
)


@given(SPOKEN)
def test_spoken_comes_back_from_its_audio(spoken: Spoken) -> None:
    (block,) = decode(encode([spoken], sample_rate=8000), sample_rate=8000)
    assert isinstance(block, Block)
    assert Spoken.read(block.number, block.flags) == spoken


def test_plain_number_has_no_flags() -> None:
    assert Spoken(5).flags == 0
    assert encode([Spoken(5)]) == encode([5])


def test_bits_without_a_meaning_say_nothing() -> None:
    assert Spoken.read(5, 0b11 << 9) == Spoken(5)


def test_spoken_refuses_what_no_block_can_say() -> None:
    with pytest.raises(ValueError, match="voice 3 is neither 1 nor 2"):
        Spoken(1, voice=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="event 'rain' is none of music, applause, laughter"):
        Spoken(1, begins="rain")  # type: ignore[arg-type]
