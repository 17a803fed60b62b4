from itertools import groupby, islice

from bench.speed.pacing import Load, Turn, turns

LOAD = Load(streams=3, chunk_ms=100, seconds=1.0)


def first(count: int, load: Load = LOAD, seed: int = 1) -> list[Turn]:
    return list(islice(turns(load, seed=seed), count))


def test_turns_come_in_the_order_in_which_they_are_due() -> None:
    due = [turn.due for turn in first(30)]
    assert due == sorted(due)


def test_every_stream_has_one_turn_in_each_chunks_length() -> None:
    for number, together in groupby(first(30), key=lambda turn: turn.due // LOAD.chunk_seconds):
        assert sorted((turn.stream, turn.seq) for turn in together) == [
            (stream, int(number) + 1) for stream in range(3)
        ]


def test_streams_chunks_are_a_chunks_length_apart() -> None:
    mine = [turn.due for turn in first(30) if turn.stream == 2]
    assert [round(turn - mine[0], 9) for turn in mine] == [
        round(number * 0.1, 9) for number in range(10)
    ]


def test_each_stream_has_a_phase_of_its_own_that_the_seed_decides() -> None:
    assert first(3) == first(3)
    assert len({turn.due for turn in first(3)}) == 3
    assert first(3) != first(3, seed=2)


def test_load_knows_its_size() -> None:
    load = Load(streams=50, chunk_ms=20, seconds=1.0)
    assert (load.chunk_bytes, load.chunks_per_second, str(load)) == (640, 2500.0, "50 x 20 ms")
