"""Fixtures that several tests of the emulator share."""

import shutil
import subprocess
from pathlib import Path

import pytest

_NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the official clients that the lock file names, and our script for them."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    folder = tmp_path_factory.mktemp("node")
    for name in ("session.mjs", "package.json", "package-lock.json"):
        shutil.copy(_NODE / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return folder
