import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq.core.values.memo import Memo

identifiers = st.lists(st.text(), max_size=3).map(tuple)
changes = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.floats(0, 9))
memos = st.builds(
    Memo,
    st.dictionaries(st.text(), identifiers, max_size=3),
    st.dictionaries(st.integers(0, 2**63 - 1), changes, max_size=3),
    st.none() | st.integers(1, 2**63 - 1),
)


@given(memos)
def test_memo_survives_its_queue(memo: Memo) -> None:
    assert Memo.decode(memo.encode()) == memo


def test_memo_of_an_older_worker_has_no_speakers() -> None:
    assert Memo.decode(b"{}") == Memo()


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b'{"speakers":[]}', b'{"speakers":{"S1":1}}']
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        Memo.decode(text)
