"""docs/architecture.md names what exists, and every room of the service."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SERVICE = CHECKOUT / "service/speechmq"
PAGE = (CHECKOUT / "docs/architecture.md").read_text()
DIAGRAMS = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
# The last section names parts of libraries; test_library_internals.py holds it.
OWN_PART = PAGE.partition("\n## What is touched of libraries")[0]
PROSE = re.sub(r"```.*?```", "", OWN_PART, flags=re.DOTALL)
# Words in backticks that name no code of the service: files, and sub-commands.
PLAIN = {"speechmq", "send", "listen", "captions", "dead", "status", "doctor", "topology"}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SERVICE).with_suffix("").parts).removesuffix(".__init__")


def names_in(path: Path) -> set[str]:
    """What a module defines: ``function``, ``Class``, ``Class.method``, ``Class.field``."""
    return set(_names(ast.parse(path.read_text()).body))


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name, body=inner):
                yield name
                yield from (f"{name}.{one}" for one in _names(inner))
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name


MODULES = {module_of(path): names_in(path) for path in SERVICE.rglob("*.py")}
EVERYWHERE = set().union(*MODULES.values())
PACKAGES = {module_of(path) for path in SERVICE.rglob("*/__init__.py")}
LOOSE = {path.stem for path in SERVICE.glob("*.py")} - {"__init__"}


def exists(name: str) -> bool:
    return name in MODULES or name in EVERYWHERE


def test_every_room_has_its_sentence_and_no_other_is_named() -> None:
    rooms = re.findall(r"^\| `([a-z_.]+)` \| \S", PROSE, re.MULTILINE)
    assert sorted(rooms) == sorted(PACKAGES | LOOSE)


def test_prose_names_what_exists() -> None:
    named = {one for one in re.findall(r"`([A-Za-z_.]+)`", PROSE) if one not in PLAIN}
    assert len(named) > 40
    assert [one for one in sorted(named) if not exists(one) and not is_file(one)] == []


def is_file(name: str) -> bool:
    return (CHECKOUT / name).is_file()


def test_there_are_four_ways() -> None:
    assert re.findall(r"^## (.*)\n(?:(?!^## ).*\n)*?```mermaid", PAGE, re.MULTILINE) == [
        "A chunk in",
        "A final out",
        "An upstream loss",
        "A take-over",
    ]


@pytest.mark.parametrize("diagram", DIAGRAMS)
def test_boxes_are_modules_and_arrows_call_what_is_there(diagram: str) -> None:
    actors = set(re.findall(r"actor (\w+)", diagram))
    boxes = dict(re.findall(r"participant (\w+) as ([\w.]+)", diagram))
    wrong = [module for module in boxes.values() if module not in MODULES]
    arrows = re.findall(r"^ *(\w+)(-?->>)(\w+): (.+)$", diagram, re.MULTILINE)
    assert len(arrows) == len(re.findall(r"->>", diagram)) > 0
    for sender, arrow, receiver, what in arrows:
        assert {sender, receiver} <= actors | boxes.keys()
        if arrow == "-->>":
            wrong += [what] if what not in EVERYWHERE else []
        elif receiver in boxes:
            wrong += [f"{receiver}: {what}"] if what not in MODULES[boxes[receiver]] else []
    assert wrong == []


def test_every_box_is_used() -> None:
    for diagram in DIAGRAMS:
        for box in re.findall(r"participant (\w+) as", diagram):
            assert re.search(rf"->>{box}:", diagram), box
