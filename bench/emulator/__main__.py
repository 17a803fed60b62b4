"""``python -m bench.emulator``: how many sessions the emulator holds on this machine.

Prints one table: chunks of 100 ms at real time, the ledger engine on one core, PocketSphinx
on two. The floor is a server that does nothing but answer each chunk. Exit code 1 when
sessions fell behind real time or heard wrong words.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.emulator.measurement import Measurement, measure
from bench.machine import machine, markdown
from bench.processes import cores

EMULATOR = ("speechmq_emulator.cli", "--port", "0", "--engine")
LOAD = "bench.emulator.load"
FLOOR = "bench.emulator.floor"
SAMPLE = Path(__file__).parents[2] / "samples" / "dialogue-16k-mono.wav"
LIBRARIES = ("websockets", "uvloop", "numpy")
BEHIND = 1.0
"""When half of the last quarter's chunks are confirmed later than this many seconds behind
their due time, the server has fallen behind."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    measured: Measurement
    floor: Measurement | None = None

    @property
    def holds(self) -> bool:
        results = self.measured.results
        return results["taken_late_p50"] < BEHIND and not results["wrong_transcripts"]

    def cells(self) -> list[str]:
        measured, results = self.measured, self.measured.results
        return [
            self.name,
            str(measured.sessions),
            f"{measured.cpu_share:.0%}",
            f"{measured.cpu_per_chunk * 1e6:.0f} µs",
            f"{measured.cpu_per_chunk / self.floor.cpu_per_chunk:.1f}" if self.floor else "",
            _milliseconds(results, "taken"),
            _milliseconds(results, "words") if results["words"] else "",
            f"{measured.memory / 2**20:.0f} MiB",
            "yes" if self.holds else "**no**",
        ]


HEAD = [
    "server",
    "sessions",
    "CPU of one core",
    "CPU a chunk",
    "times the floor",
    "`AudioAdded` lag p50 / p99 / max",
    "final word's lag p50 / p99 / max",
    "memory",
    "real time holds",
]


def _milliseconds(results: dict[str, float], name: str) -> str:
    return " / ".join(f"{results[f'{name}_{q}'] * 1e3:.0f}" for q in ("p50", "p99", "max")) + " ms"


def main() -> None:
    asked = _arguments()
    rows = _measure(asked.sessions, asked.sphinx_sessions, asked.seconds)
    sys.stdout.write(f"{machine(LIBRARIES)}\n\n" + markdown([HEAD, *(row.cells() for row in rows)]))
    sys.exit(not all(row.holds for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.emulator")
    parser.add_argument("--sessions", type=int, default=500, help="of the ledger engine")
    parser.add_argument("--sphinx-sessions", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=20, help="of audio in each session")
    return parser.parse_args()


def _measure(sessions: int, sphinx_sessions: int, seconds: int) -> list[Row]:
    mine = cores()
    one, both, rest = mine[:1], mine[:2], mine[1:] or mine
    numbers = [LOAD, "--seconds", str(seconds)]
    checked = [*numbers, "--checked"]
    speech = [*numbers, "--wav", str(SAMPLE)]
    floor = measure([FLOOR], numbers, sessions=sessions, server_cores=one, load_cores=rest)
    ledger = measure(
        [*EMULATOR, "ledger"], checked, sessions=sessions, server_cores=one, load_cores=rest
    )
    sphinx = measure(
        [*EMULATOR, "sphinx"], speech, sessions=sphinx_sessions, server_cores=both, load_cores=mine
    )
    return [
        Row("floor, 1 core", floor, floor),
        Row("ledger, 1 core", ledger, floor),
        Row(f"sphinx, {len(both)} cores", sphinx),
    ]


if __name__ == "__main__":
    main()
