"""``python -m tests.chaos``: breaks everything for a while, and tells what came of it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from tests.chaos.fleet import Log
from tests.chaos.run import run, say_nothing
from tests.chaos.schedule import WEIGHTS, Load

USAGE = "Streams through workers, a broker and a recogniser that fail; counts words."


def arguments() -> argparse.Namespace:
    usual = Load()
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=USAGE)
    parser.add_argument("--seed", type=int, action="append", help="may be repeated (1, 2 and 3)")
    parser.add_argument("--workers", type=int, default=usual.workers)
    parser.add_argument("--streams", type=int, default=usual.streams, help="at once")
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--every", type=float, default=usual.every, help="seconds between faults")
    parser.add_argument("--only", action="append", help="kinds of faults that begin so")
    parser.add_argument("--queue-type", choices=["quorum", "classic"], default="quorum")
    parser.add_argument("--log", type=Path, help="file for what the workers say")
    return parser.parse_args()


def writing_to(file: TextIO) -> Log:
    return lambda who, line: print(f"{time.monotonic():.3f} {who} {line}", file=file)


def main() -> int:
    # The client tells of every try that fails, which is all that happens while the broker is away.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    args = arguments()
    load = Load(args.workers, args.streams, args.seconds, args.every)
    kinds = [kind for kind in WEIGHTS if kind.startswith(tuple(args.only or [""]))]
    settings = {"SPEECHMQ_BROKER__QUEUE_TYPE": args.queue_type}
    is_good = True
    with ExitStack() as files:
        log: Log = say_nothing
        if args.log:
            log = writing_to(files.enter_context(args.log.open("w", buffering=1)))
        for seed in args.seed or [1, 2, 3]:
            report = asyncio.run(
                run(load, seed, kinds=frozenset(kinds), settings=settings, log=log)
            )
            print(report, end="\n\n", flush=True)
            is_good = is_good and report.is_good
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
