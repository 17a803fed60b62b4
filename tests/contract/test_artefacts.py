import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from scripts.generate_contract import GENERATED, SCHEMAS, artefacts, main

from speechmq_schemas.commands import COMMANDS
from speechmq_schemas.events import EVENTS
from speechmq_schemas.replies import REPLIES

NAMES = sorted({**COMMANDS, **EVENTS, **REPLIES})
BAD_BODIES = {
    "StartStream": {"stream_id": "two words"},
    "UpdateConfig": {"transcription_config": {"max_delay": 9}},
    "ForceEndOfUtterance": {"timestamp": -1},
    "GetSpeakers": {"final": "yes"},
    "EndStream": {"seq": 1},
    "CreateTemporaryKey": {"ttl": 59},
    "GetStreamStatus": {"stream_id": "one"},
    "TemporaryKey": {"key_value": ""},
    "RequestFailed": {"code": 1},
    "UpstreamMessage": {"event": {}},
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for pattern in GENERATED:
        for path in SCHEMAS.glob(pattern):
            target = tmp_path / path.relative_to(SCHEMAS)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
    return tmp_path


def test_artefacts_are_what_the_models_say(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--check"])
    assert (status, capsys.readouterr().out) == (0, "")


def test_check_names_each_file_that_drifted(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = copy / "asyncapi.yaml"
    changed.write_text(changed.read_text().replace("seq", "sequence", 1))
    (copy / "json" / "AudioGap.json").unlink()
    (copy / "examples" / "Forgotten.json").write_text("{}")
    status = main(["--check", "--root", str(copy)])
    assert (status, capsys.readouterr().out.splitlines()) == (
        1,
        [
            f"{copy / name} is not what the models say; run scripts/generate_contract.py"
            for name in ("asyncapi.yaml", "examples/Forgotten.json", "json/AudioGap.json")
        ],
    )


def test_writing_repairs_drift(copy: Path) -> None:
    (copy / "asyncapi.yaml").write_text("")
    (copy / "json" / "AudioGap.json").unlink()
    (copy / "examples" / "Forgotten.json").write_text("{}")
    assert main(["--root", str(copy)]) == 0
    assert main(["--check", "--root", str(copy)]) == 0
    assert not (copy / "examples" / "Forgotten.json").exists()


def test_artefacts_are_the_same_every_time() -> None:
    assert artefacts() == artefacts()


def read(folder: str, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((SCHEMAS / folder / f"{name}.json").read_text())
    return found


def test_every_message_has_a_schema_and_an_example() -> None:
    for folder in ("json", "examples"):
        assert sorted(path.stem for path in (SCHEMAS / folder).glob("*")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_a_named_draft_2020_12_schema(name: str) -> None:
    schema = read("json", name)
    Draft202012Validator.check_schema(schema)
    assert (schema["$schema"], schema["$id"], schema["title"]) == (
        "https://json-schema.org/draft/2020-12/schema",
        f"urn:speechmq:v1:{name}",
        name,
    )


@pytest.mark.parametrize("name", NAMES)
def test_example_follows_its_schema(name: str) -> None:
    example = read("examples", name)
    part = "headers" if name == "AudioChunk" else "body"
    Draft202012Validator(read("json", name)).validate(example[part])


@pytest.mark.parametrize("name", NAMES)
def test_schema_refuses_what_the_models_refuse(name: str) -> None:
    bad = BAD_BODIES.get(name, {"stream_id": 1})
    assert not Draft202012Validator(read("json", name)).is_valid(bad)
