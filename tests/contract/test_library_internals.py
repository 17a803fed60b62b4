"""docs/architecture.md lists every part of a library that is touched without its promise.

That is: an attribute whose name begins with ``_``; a method that a class of ours overrides; what
such a class uses of its library's base class and no abstract class promises; and what is replaced
in a library's module.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).parents[2]
SERVICE = CHECKOUT / "service/speechmq"
HEADING = "## What is touched of libraries"
# Parts of the standard library's interface, which stays.
STANDARD = {"_exit"}
# What Python itself sets on a class.
PYTHONS = {"_abc_impl"}

Touched = tuple[str, str]
"""A module of ours, and a name."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SERVICE).with_suffix("").parts).removesuffix(".__init__")


TREES = {module_of(path): ast.parse(path.read_text()) for path in SERVICE.rglob("*.py")}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def own_names() -> frozenset[str]:
    """Every name that the service itself defines or assigns."""
    return frozenset(one for tree in TREES.values() for one in defined_in(tree))


def defined_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def private_accesses() -> Iterator[Touched]:
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and is_private(node.attr)
                and node.attr not in own_names() | STANDARD
            ):
                yield module, node.attr


def replacements() -> Iterator[Touched]:
    """``module.NAME[...] = …`` and ``module.NAME = …``, for a module of a library."""
    for module, tree in TREES.items():
        imported = set(libraries_imported(tree))
        for node in ast.walk(tree):
            for target in node.targets if isinstance(node, ast.Assign) else []:
                part = target.value if isinstance(target, ast.Subscript) else target
                match part:
                    case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                        if name in imported:
                            yield module, attribute


def libraries_imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(), level=0, names=names) | ast.Import(names=names):
                for one in names:
                    yield one.asname or one.name
            case _:
                pass


def classes() -> Iterator[tuple[str, type, list[type], ast.ClassDef]]:
    """Ours that have a base class of a library: the module, the class, those bases, its source."""
    for module, tree in TREES.items():
        nodes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        loaded: ModuleType = importlib.import_module(f"speechmq.{module}".removesuffix("."))
        for name, node in nodes.items():
            cls = getattr(loaded, name)
            bases = [one for one in cls.__mro__[1:] if is_library(one)]
            if bases:
                yield module, cls, bases, node


LIBRARIES = {
    *("aio_pika", "aiormq", "faststream", "httpx", "opentelemetry"),
    *("pamqp", "prometheus_client", "uvicorn", "websockets"),
}


def is_library(cls: type) -> bool:
    return cls.__module__.split(".")[0] in LIBRARIES


def promised(base: type, name: str) -> bool:
    """By an abstract class, which libraries give as their interface."""
    return base.__module__.endswith(".abc") or getattr(
        vars(base).get(name), "__isabstractmethod__", False
    )


def overrides_and_uses() -> Iterator[Touched]:
    for module, cls, bases, node in classes():
        of_library = {name for base in bases for name in vars(base)}
        of_library |= {name for base in bases for name in assigned_in_init(base)}
        open_names = {name for base in bases for name in vars(base) if promised(base, name)}
        used = {
            one.attr
            for one in ast.walk(node)
            if isinstance(one, ast.Attribute)
            and isinstance(one.value, ast.Name)
            and one.value.id == "self"
        }
        for name in ((set(vars(cls)) | used) & of_library) - open_names - PYTHONS:
            if not name.startswith("__"):
                yield module, name


def assigned_in_init(base: type) -> set[str]:
    try:
        source = inspect.getsource(base)
    except OSError:  # made at run time: it has no source
        return set()
    tree = ast.parse(textwrap.dedent(source))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def listed() -> set[Touched]:
    page = (CHECKOUT / "docs/architecture.md").read_text()
    section = page.partition(HEADING)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| `([\w.]+)` \|", section, re.MULTILINE)
    return {
        (module, name.rpartition(".")[2])
        for names, module in rows
        for name in re.findall(r"`([\w.]+)`", names)
    }


def test_page_lists_what_is_touched_of_libraries_and_nothing_else() -> None:
    touched = {*private_accesses(), *replacements(), *overrides_and_uses()}
    assert touched == listed()


def test_each_row_names_a_test_that_exists() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text()
    section = page.partition(HEADING)[2].partition("\n## ")[0]
    tests = re.findall(r"\| `(tests/[\w/.]+)` \|$", section, re.MULTILINE)
    assert len(tests) == len(re.findall(r"^\| `", section, re.MULTILINE)) > 0
    assert [one for one in tests if not (CHECKOUT / one).is_file()] == []
