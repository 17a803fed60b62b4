import pytest

from speechmq.core.recognition.window import Window


def test_window_is_full_at_either_bound() -> None:
    by_samples, by_chunks = Window(100, 9), Window(1000, 2)
    for window in (by_samples, by_chunks):
        window.send(50)
        assert window.has_room(50)
        window.send(50)
        assert not window.has_room(1)


def test_chunk_larger_than_the_window_goes_alone() -> None:
    window = Window(100, 9)
    assert window.has_room(500)
    window.send(500)
    assert not window.has_room(1)


@pytest.mark.parametrize("counts", [(2,), (1, 2), (2, 1)])
def test_confirm_frees_what_upstream_has_read_however_often_it_says_so(
    counts: tuple[int, ...],
) -> None:
    window = Window(100, 9)
    window.send(40)
    window.send(60)
    assert all(window.confirm(count) for count in counts)
    assert not window.under_way
    assert window.has_room(100)


def test_confirm_of_more_than_was_sent_is_refused_and_changes_nothing() -> None:
    window = Window(100, 9)
    window.send(100)
    assert not window.confirm(2)
    assert not window.has_room(1)
