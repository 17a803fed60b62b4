"""Results to the page that shows them. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.machine import markdown
from bench.speed.bridges import BRIDGES, OURS, Bridge
from bench.speed.figures import Figure, slope, streams_on_a_core
from bench.speed.measurement import Drained, Measured
from bench.speed.pacing import Load
from bench.speed.plan import SHARERS, Plan

SHARE = 0.7
"""Of a core that a worker is to use, for the number of streams that it holds."""
BY_HAND = "\n## Measured once\n"
"""What follows this in the page is not the bench's, and stays."""
WHOLE = 0.99
"""Of the chunks that were due; where fewer came the bridge did not keep pace."""


@dataclass(slots=True)
class Results:
    costs: dict[tuple[str, Load], list[Measured]] = field(default_factory=dict)
    drains: list[Drained] = field(default_factory=list)
    held: list[tuple[str, Measured]] = field(default_factory=list)

    def of(self, bridge: Bridge, load: Load) -> list[Measured]:
        return self.costs[bridge.dialect, load]

    def figure(self, bridge: Bridge, load: Load, what: Callable[[Measured], float]) -> Figure:
        return Figure(tuple(what(one) for one in self.of(bridge, load)))

    def held_by_a_core(self, bridge: Bridge, load: Load) -> int:
        """As many streams as the cost under ``load`` promises."""
        cost = self.figure(bridge, load, _cost).median
        return streams_on_a_core(cost, load.chunk_seconds, SHARE)


def _cost(measured: Measured) -> float:
    return measured.cost


def written(results: Results, plan: Plan, about: str) -> str:
    """The whole page."""
    parts = [
        "# What a chunk costs\n",
        f"{about}\n",
        "Made by `make bench-full`.\n" if plan.held else "Made by `make bench`.\n",
        _READING,
        "## Side by side\n",
        markdown(list(_compared(results, plan))),
        "## More streams\n",
        _SCALE_READING,
        markdown(list(_scaled(results, plan))),
        _SHARING_READING,
        markdown(list(_shared_out(results, plan))),
        "## Leaving\n",
        _drained(results, plan),
        *([held(results)] if results.held else []),
        _load_note(results),
    ]
    return "\n".join(parts)


_READING = """\
All three bridges ran under the same load, one behind the other, on a RabbitMQ with its own
defaults on the same machine, beside a recogniser that confirms each message, says a partial each
0.5 s and a final each 1.5 s. CPU is user and system time of the bridge's process, divided by the
chunks that reached the recogniser meanwhile. A figure with several runs is their median, and the
least and the most stand behind it. `speechmq` is the worker with its default settings (quorum
queues, confirms, checkpoints, metrics); `naive` FastStream with JSON and base64, the official SDK
and an acknowledgement for each message; `floor` aio-pika, websockets and json with no feature at
all, no acknowledgements either. All run on uvloop.

Bridge, RabbitMQ, recogniser and load share the machine. Where little of it was idle, latencies,
and chunks that did not come in time, tell of all of them together.
"""

_SCALE_READING = """\
Chunks of 200 ms, as one core could not take 500 streams of shorter ones in every bridge. Memory
of a stream is the slope of the resident set size over the number of streams, with the audio that
waits for its final.
"""

_SHARING_READING = """\
A chunk that finds the process asleep wakes it up, and pays for that alone; of many that come
together each pays a part. So the costs above fall with the number of streams, in every bridge.
What a stream costs for being one more is seen where only that differs: here as many chunks,
partials and finals come each second, of ever more streams, in chunks of 20, 40, 100 and 200 ms.
"""

_HELD_READING = """\
Many streams on one worker, with RabbitMQ, recogniser and load on the same cores. Chunks that were
due within 2 ms were published together. Chunks of quorum queues go into a log that all queues
share, and into a file of each queue whenever that log is full: with so many streams each half a
minute, for some seconds, in which RabbitMQ has little time for anything else.
"""


def _compared(results: Results, plan: Plan) -> Iterator[list[str]]:
    yield ["", *(bridge.title for bridge in BRIDGES), "of naive", "of floor"]
    for load in (plan.typical, plan.many, plan.small, plan.far):
        figures = [results.figure(one, load, _cost) for one in BRIDGES]
        shown = [
            figure.shown(factor=1e6) + " µs" + _pace(results.of(bridge, load))
            for bridge, figure in zip(BRIDGES, figures, strict=True)
        ]
        yield [f"CPU a chunk, {load}", *shown, *_ratios([one.median for one in figures])]
    held = [results.held_by_a_core(one, plan.many) for one in BRIDGES]
    title = f"streams that take {SHARE:.0%} of a core, 100 ms"
    yield [title, *map(str, held), *_ratios([float(one) for one in held])]
    yield from _lags(results, plan.small)
    idle = [results.figure(one, plan.many, lambda each: each.idle) for one in BRIDGES]
    yield [f"machine idle, {plan.many}", *(one.shown(0, 100) + " %" for one in idle), "", ""]
    yield ["starts a second, 200 at once", *_starts(results, plan.many)]


def _pace(runs: Sequence[Measured]) -> str:
    share = min(one.share for one in runs)
    return "" if share >= WHOLE else f", {share:.0%} of the chunks came"


def _ratios(values: Sequence[float]) -> list[str]:
    ours, naive, floor = values
    return [f"{ours / naive:.0%}", f"{ours / floor:.0%}"]


_LAGS: tuple[tuple[str, Callable[[Measured], float]], ...] = (
    ("publish to upstream, p50", lambda one: one.to_upstream.p50),
    ("publish to upstream, p99", lambda one: one.to_upstream.p99),
    ("upstream to consumer, p50", lambda one: one.to_consumer.p50),
    ("upstream to consumer, p99", lambda one: one.to_consumer.p99),
)


def _lags(results: Results, load: Load) -> Iterator[list[str]]:
    for title, lag in _LAGS:
        figures = [results.figure(one, load, lag) for one in BRIDGES]
        shown = [one.shown(1, 1e3) + " ms" for one in figures]
        yield [f"{title}, {load}", *shown, "", ""]


def _starts(results: Results, load: Load) -> list[str]:
    figures = [results.figure(one, load, lambda each: each.starts_per_second) for one in BRIDGES]
    return [*(one.shown() for one in figures), *_ratios([one.median for one in figures])]


def _scaled(results: Results, plan: Plan) -> Iterator[list[str]]:
    yield ["streams", *(f"{one.title}, CPU a chunk" for one in BRIDGES), "memory of " + OURS.title]
    loads = plan.scales(OURS)
    for load in loads:
        costs = [_cell(results, one, load) for one in BRIDGES]
        memory = results.figure(OURS, load, lambda each: each.memory).shown(1, 2**-20)
        yield [str(load.streams), *costs, f"{memory} MiB"]
    yield ["memory of a stream", *(_memory_slope(results, one, plan) for one in BRIDGES), ""]


def _shared_out(results: Results, plan: Plan) -> Iterator[list[str]]:
    titles = (f"{one.title}, CPU a chunk" for one in SHARERS)
    yield ["streams that share it", *titles, f"{OURS.title} of the first"]
    loads = plan.shared_out()
    first = results.figure(OURS, loads[0], _cost).median
    for load in loads:
        costs = [_cell(results, one, load) for one in SHARERS]
        yield [
            str(load.streams),
            *costs,
            f"{results.figure(OURS, load, _cost).median / first:.0%}",
        ]


def _cell(results: Results, bridge: Bridge, load: Load) -> str:
    runs = results.costs.get((bridge.dialect, load))
    if runs is None:
        return ""
    return results.figure(bridge, load, _cost).shown(factor=1e6) + " µs" + _pace(runs)


def _memory_slope(results: Results, bridge: Bridge, plan: Plan) -> str:
    points = {
        load.streams: results.figure(bridge, load, lambda each: each.memory).median
        for load in plan.scales(bridge)
    }
    return f"{slope(points) / 1024:.0f} KiB, {min(points)} to {max(points)} streams"


def _drained(results: Results, plan: Plan) -> str:
    over = Figure(tuple(one.over for one in results.drains))
    resumed = Figure(tuple(one.resumed for one in results.drains))
    return (
        f"A worker with {plan.drained.streams} streams that was told to stop was gone after "
        f"{over.shown(2)} s; another had resumed the last of them after {resumed.shown(2)} s.\n"
    )


def held(results: Results) -> str:
    """What many streams on one core came to, by the bridge's title."""
    lines = ["## Held\n", _HELD_READING]
    for title, one in results.held:
        lags, load = one.to_upstream, one.load
        lines.append(
            f"{title}: {load} for {load.seconds:.0f} s took {one.cpu / load.seconds:.0%} of a core "
            f"({one.cost * 1e6:.0f} µs a chunk); {one.share:.1%} of the chunks came in that time, "
            f"p50 {lags.p50 * 1e3:.0f} ms, p99 {lags.p99 * 1e3:.0f} ms, at most "
            f"{lags.most * 1e3:.0f} ms after they were published; {one.late_streams} streams had a "
            f"chunk that was more than 1 s late. The machine was {one.idle:.0%} idle.\n"
        )
    return "\n".join(lines)


def kept_of(page: str) -> str:
    """What was written by hand below the tables of an older page."""
    return page[page.find(BY_HAND) :] if BY_HAND in page else ""


def _load_note(results: Results) -> str:
    runs = [one for runs in results.costs.values() for one in runs]
    worst = max(one.published_late.p99 for one in runs)
    return (
        f"The load published 99 % of the chunks within {worst * 1e3:.0f} ms of their time in the "
        "worst of all runs; latencies count from when a chunk was published.\n"
    )
