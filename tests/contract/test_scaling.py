"""What docs/scaling.md says of a worker's cost is what bench/RESULTS.md says."""

import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
RESULTS = (CHECKOUT / "bench/RESULTS.md").read_text()


def cells(row: str, text: str = RESULTS) -> list[str]:
    """Of the first row that begins so, without the spread of its figures."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
    return [re.sub(r" \(.*?\)", "", cell).strip() for cell in line.strip("|").split("|")[1:]]


def cost(streams: int, text: str) -> str:
    """A worker's, without the share of the chunks that came."""
    return cells(str(streams), text)[0].partition(",")[0]


def held(title: str) -> re.Match[str]:
    found = re.search(
        rf"^{title}: \d+ x 100 ms for 60 s took (?P<core>\d+%) of a core .*?"
        r"p50 (?P<p50>\d+) ms, p99 (?P<p99>\d+) ms, "
        r"at most (?P<most>\d+) ms after",
        RESULTS,
        re.MULTILINE,
    )
    assert found is not None
    return found


def claims() -> Iterator[str]:
    ours, naive, floor, *_ = cells("CPU a chunk, 200 x 100 ms")
    yield f"a chunk cost {ours}, where the naive bridge took {naive} and the floor {floor}"
    yield f"{cells('streams that take 70% of a core, 100 ms')[0]} streams would take 70 % of a core"
    classic, quorum = held("speechmq on classic queues"), held("speechmq")
    yield f"(p50 {classic['p50']} ms, p99 {classic['p99']} ms, at most {classic['most']} ms)"
    yield f"the worker took {classic['core']} of a core"
    yield f"chunks came up to {quorum['most']} ms late"
    growing, _, shared = RESULTS.partition("| streams that share it |")
    many, some, few = (cost(streams, growing) for streams in (500, 50, 10))
    yield f"{many} with 500 streams in chunks of 200 ms, {some} with 50 and {few} with 10"
    yield f"{cost(50, shared)} a chunk with 50 of them, {cost(500, shared)} with 500"


def test_figures_of_the_page_are_those_of_the_bench() -> None:
    page = " ".join((CHECKOUT / "docs/scaling.md").read_text().split())
    assert [claim for claim in claims() if claim not in page] == []
