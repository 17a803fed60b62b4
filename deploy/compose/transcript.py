"""For `make compose-test`, run in the images: what was heard, and audio whose words are known.

python transcript.py words EVENTS             the words of `speechmq listen --json`, a line each
python transcript.py compare ONE OTHER MOST   1 if two files of words differ in more than MOST words
python transcript.py ledger COUNT             a WAV file of COUNT words that the ledger engine reads
python transcript.py reference DIALOGUE       the words of a text whose lines begin with the speaker
"""

import json
import re
import sys
import wave
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

FIRST = 1000


def words(path: str) -> None:
    events = [json.loads(line) for line in Path(path).read_text().splitlines()]
    finals = {one["message_id"]: one for one in events if one["type"] == "FinalTranscript"}
    for final in sorted(finals.values(), key=_place):
        for result in final["body"]["results"]:
            if result["type"] == "word":
                print(result["alternatives"][0]["content"].lower())


def _place(event: dict[str, dict[str, int]]) -> tuple[int, int]:
    return event["headers"]["epoch"], event["headers"]["seq"]


def compare(one: str, other: str, most: str) -> None:
    first, second = (Path(path).read_text().split() for path in (one, other))
    changes = [
        (first[a:b], second[c:d])
        for tag, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
        if tag != "equal"
    ]
    differing = sum(max(len(was), len(now)) for was, now in changes)
    if not first or differing > int(most):
        sys.exit(f"{len(first)} and {len(second)} words, which differ in {differing}: {changes}")
    print(f"{len(second)} words, {differing} of them different")


def ledger(count: str) -> None:
    from speechmq_emulator.ledger import encode  # noqa: PLC0415  # in the emulator's image alone

    with wave.open("/dev/stdout", "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(encode(range(FIRST, FIRST + int(count))))


def reference(path: str) -> None:
    for line in Path(path).read_text().splitlines():
        print(*re.findall(r"[a-z']+", line.partition(":")[2].lower()), sep="\n")


if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {
        "words": words,
        "compare": compare,
        "ledger": ledger,
        "reference": reference,
    }
    commands[sys.argv[1]](*sys.argv[2:])
