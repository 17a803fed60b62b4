"""The bill of materials names what is installed into an image, and nothing of development."""

import json
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("image", "has", "has_not"),
    [
        (
            "speechmq",
            {"aio-pika", "websockets", "uvloop", "speechmq-schemas"},
            {"pocketsphinx", "pytest"},
        ),
        ("speechmq-emulator", {"av", "numpy", "pocketsphinx"}, {"aio-pika", "pytest"}),
    ],
)
def test_bill_is_that_of_the_image(
    tmp_path: Path, image: str, has: set[str], has_not: set[str]
) -> None:
    subprocess.run([CHECKOUT / "scripts" / "sbom", tmp_path], check=True, capture_output=True)
    bill = json.loads((tmp_path / f"{image}.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["name"] == image
    found = {one["name"]: one for one in bill["components"]}
    assert has <= set(found)
    assert not has_not & set(found)
    foreign = [one for name, one in found.items() if not name.startswith("speechmq")]
    assert all(one["version"] and one["purl"] for one in foreign)
