from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmq.console import versions
from speechmq.console.versions import Changes, Cursor, Versions

ALL = 1000


def table(*keys: str) -> Versions:
    made = Versions("t")
    for key in keys:
        made.put(key, key.upper())
    return made


def test_newcomer_gets_everything_and_then_what_changes() -> None:
    rows = table("a", "b")
    first = rows.since(None, ALL)
    assert first == Changes(Cursor(2), reset=True, rows=["A", "B"])
    assert rows.since(first.upto, ALL).is_empty
    rows.put("a", "A2")
    rows.put("b", "B")  # as it was
    rows.drop("c")  # never was there
    assert rows.since(first.upto, ALL) == Changes(Cursor(3), rows=["A2"])


def test_who_comes_seldom_gets_each_row_once_as_it_is_now() -> None:
    rows = table("a", "b")
    for n in range(50):
        rows.put("a", f"A{n}")
    rows.drop("b")
    assert rows.since(Cursor(2), ALL) == Changes(Cursor(53), rows=["A49"], gone=["b"])
    assert rows.keys == {"a"}


def test_newcomer_is_not_told_of_rows_that_are_gone() -> None:
    rows = table("a", "b")
    rows.drop("a")
    assert rows.since(None, ALL) == Changes(Cursor(2), reset=True, rows=["B"])


def test_many_rows_come_in_parts_and_none_is_missed() -> None:
    rows = table(*(f"k{n}" for n in range(10)))
    got, changes = [], rows.since(None, 4)
    while not changes.is_empty:
        got.append((changes.reset, len(changes.rows)))
        rows.put("k0", f"again {len(got)}")
        changes = rows.since(changes.upto, 4)
        if len(got) > 5:
            break
    assert got == [(True, 4), (False, 4), (False, 3), (False, 1), (False, 1), (False, 1)]


def test_reader_too_far_behind_for_removals_begins_anew() -> None:
    rows = table("stays", *(f"k{n}" for n in range(versions.REMEMBERED_REMOVALS + 1)))
    behind = Cursor(rows.version)
    for n in range(versions.REMEMBERED_REMOVALS):
        rows.drop(f"k{n}")
    assert not rows.since(behind, ALL).reset
    rows.drop(f"k{versions.REMEMBERED_REMOVALS}")
    changes = rows.since(behind, ALL)
    assert (changes.reset, changes.rows, changes.gone) == (True, ["STAYS"], [])


def test_newcomer_gets_to_the_end_although_removals_are_forgotten() -> None:
    rows = table("a", "b", "c", "d")
    for n in range(versions.REMEMBERED_REMOVALS + 9):
        rows.put("x", str(n))
        rows.put(f"gone{n}", "")
        rows.drop(f"gone{n}")
    changes = rows.since(None, 2)
    seen = list(changes.rows)
    for _ in range(2):
        changes = rows.since(changes.upto, 2)
        assert not changes.reset
        seen += changes.rows
    assert seen[:4] == ["A", "B", "C", "D"]


def test_ids_of_other_tables_and_of_nobody_are_no_cursor() -> None:
    rows = table("a")
    assert rows.event_id(Cursor(1)) == "t.1"
    assert rows.cursor("t.1") == Cursor(1)
    bad = ["u.1", "t.-1", "t.x", "t.", "1", "", None, "t.²", "t." + "9" * 5000]
    assert [rows.cursor(one) for one in bad] == [None] * len(bad)
    assert rows.since(Cursor(99), ALL).reset  # from the future


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), max_size=60),
    st.lists(st.integers(0, 59), max_size=20),
)
def test_reader_has_what_the_table_has_whenever_it_looks(
    changes: list[tuple[str, int]], looks: list[int]
) -> None:
    rows = Versions("t")
    cursor: Cursor | None = None
    has: dict[str, str] = {}

    def look() -> None:
        nonlocal cursor
        found = rows.since(cursor, ALL)
        if found.reset:
            has.clear()
        for key in found.gone:
            has.pop(key, None)
        has.update((row[0], row) for row in found.rows)
        cursor = found.upto

    wanted: dict[str, str] = {}
    for number, (key, value) in enumerate(changes):
        if value:
            rows.put(key, f"{key}{value}")
            wanted[key] = f"{key}{value}"
        else:
            rows.drop(key)
            wanted.pop(key, None)
        if number in looks:
            look()
    look()
    assert has == wanted
