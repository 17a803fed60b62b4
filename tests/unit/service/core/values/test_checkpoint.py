import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq.core.values.checkpoint import Checkpoint, Gap, Totals

counts = st.integers(0, 2**53)
gaps = st.builds(Gap, counts, counts, counts, counts)
checkpoints = st.builds(
    Checkpoint,
    counts,
    counts,
    st.floats(0, 1e9),
    st.lists(gaps, max_size=3).map(tuple),
    st.builds(Totals, counts, counts, counts, counts),
    counts,
    st.dictionaries(st.text(max_size=5), st.floats(0, 1e9), max_size=3),
    st.floats(0, 1e9),
)


@given(checkpoints)
def test_checkpoint_survives_its_header(checkpoint: Checkpoint) -> None:
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


@pytest.mark.parametrize("text", ["", "[]", "{", '{"next_seq":"1"}', "null"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        Checkpoint.decode(text)
