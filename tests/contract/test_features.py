"""docs/features.md and the tests that it names belong together."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_row_has_a_test_and_each_test_a_row() -> None:
    named = re.findall(
        r"\| `(test_\w+)` \|$", (ROOT / "docs/features.md").read_text(), re.MULTILINE
    )
    files = sorted((ROOT / "tests/e2e").glob("test_features*.py"))
    tests = [re.findall(r"^async def (test_\w+)", one.read_text(), re.MULTILINE) for one in files]
    assert sorted(named) == sorted(name for found in tests for name in found)
