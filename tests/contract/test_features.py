"""docs/features.md and the tests that it names belong together."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_row_has_a_test_and_each_test_a_row() -> None:
    named = re.findall(
        r"\| `(test_\w+)` \|$", (ROOT / "docs/features.md").read_text(), re.MULTILINE
    )
    tests = (ROOT / "tests/e2e/test_features.py").read_text()
    assert named == re.findall(r"^async def (test_\w+)", tests, re.MULTILINE)
