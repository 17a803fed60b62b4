from speechmq.core.audio.timeline import Piece, Timeline
from speechmq.core.values.checkpoint import Gap
from speechmq.core.values.commands import ForceUtterance


def timeline_of(*samples: int) -> Timeline:
    timeline = Timeline({None: 0})
    for seq, count in enumerate(samples, 1):
        timeline.place(seq, count, bytes([seq]) * count, tag=seq * 10)
    return timeline


def send_all(timeline: Timeline) -> list[int]:
    seqs = []
    while piece := timeline.next_unsent:
        seqs.append(piece.seq)
        timeline.mark_sent()
    return seqs


def test_pieces_stand_end_to_end() -> None:
    timeline = timeline_of(5, 3)
    assert timeline.pieces == [
        Piece(1, 0, 5, b"\1" * 5, 10),
        Piece(2, 5, 8, b"\2" * 3, 20),
    ]
    assert timeline.tracks[None].position == 8


def test_release_forgets_only_what_was_sent() -> None:
    timeline = timeline_of(5, 3, 2)
    timeline.mark_sent()
    assert timeline.release(3) == [10]
    send_all(timeline)
    assert timeline.release(3) == [20]
    assert timeline.release(4) == [30]
    assert len(timeline) == 0


def test_rewind_sends_again_what_is_kept() -> None:
    timeline = timeline_of(5, 3, 2)
    send_all(timeline)
    timeline.release(2)
    assert timeline.rewind() == {None: 5}
    assert timeline.tracks[None].sent == 5
    assert send_all(timeline) == [2, 3]


def test_rewind_of_an_empty_timeline_begins_at_its_end() -> None:
    timeline = timeline_of(5)
    send_all(timeline)
    timeline.release(2)
    assert timeline.rewind() == {None: 5}


def test_gap_is_silence_in_steps_that_each_know_what_is_left_of_it() -> None:
    timeline = Timeline({None: 0})
    timeline.place_gap(Gap(4, 9, 0, 5), silence=b"\xff\xff" * 2, step=2)
    assert timeline.pieces == [
        Piece(4, 0, 2, b"\xff" * 4, gap=Gap(4, 9, 0, 5)),
        Piece(4, 2, 4, b"\xff" * 4, gap=Gap(4, 9, 2, 5)),
        Piece(4, 4, 5, b"\xff" * 2, gap=Gap(4, 9, 4, 5)),
    ]


def test_gap_without_length_still_has_a_place() -> None:
    timeline = Timeline({None: 7})
    timeline.place_gap(Gap(1, 1, 7, 7), silence=b"\0", step=1)
    assert timeline.next_unsent == Piece(1, 7, 7, b"", gap=Gap(1, 1, 7, 7))


def test_released_silence_has_no_delivery_to_settle() -> None:
    timeline = Timeline({None: 0})
    timeline.place_gap(Gap(1, 2, 0, 5), silence=b"\xff", step=1)
    timeline.place(3, 2, b"\3\3", tag=30)
    send_all(timeline)
    assert timeline.release(4) == [30]
    assert len(timeline) == 0


def test_command_is_behind_us_when_audio_that_follows_it_in_any_track_is_covered() -> None:
    timeline = Timeline({"a": 0, "b": 0})
    timeline.place(1, 5, b"\1" * 5, 1, "b")
    timeline.place(2, 0, b"", 2, "b", command=ForceUtterance())
    timeline.place(3, 0, b"", 3, "a")
    timeline.place(4, 5, b"\4" * 5, 4, "a")

    def left(a: int, b: int) -> list[int]:
        return [piece.seq for piece in timeline.beyond({"a": a, "b": b})]

    assert left(a=0, b=4) == [1, 2, 3, 4]
    assert left(a=0, b=5) == [2, 3, 4]
    assert left(a=5, b=5) == []
    assert left(a=5, b=4) == [1, 2, 3, 4]


def test_tracks_begin_where_what_is_left_of_them_begins() -> None:
    timeline = Timeline({"a": 0, "b": 0})
    timeline.place(1, 5, b"\1" * 5, 1, "a")
    timeline.place(2, 3, b"\2" * 3, 2, "b")
    timeline.place(3, 5, b"\3" * 5, 3, "a")
    assert timeline.starts(timeline.pieces[1:]) == {"a": 5, "b": 0}
    assert timeline.starts(timeline.pieces[2:]) == {"a": 5, "b": 3}
    assert timeline.starts([]) == {"a": 10, "b": 3}


def test_oldest_are_let_go_as_far_as_they_were_sent() -> None:
    timeline = timeline_of(5, 3, 2)
    assert timeline.oldest_sent(2) == 0
    timeline.mark_sent()
    timeline.mark_sent()
    timeline.release(2)
    assert timeline.oldest_sent(2) == 1
    send_all(timeline)
    assert timeline.oldest_sent(9) == 2


def test_gap_is_let_go_as_a_whole() -> None:
    """A checkpoint that begins within it would free nothing, again and again."""
    timeline = timeline_of(5)
    timeline.place_gap(Gap(2, 9, 5, 11), silence=b"\xff" * 2, step=2)
    timeline.place(10, 2, b"\3\3", tag=30)
    for sent, let_go in [(1, 1), (2, 1), (3, 1), (4, 4), (5, 4)]:
        timeline.mark_sent()
        assert timeline.oldest_sent(4) == let_go, f"{sent} were sent"
    timeline.release(2)
    assert timeline.oldest_sent(1) == 3
