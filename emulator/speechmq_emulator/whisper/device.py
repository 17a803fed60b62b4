"""Where and how the model computes, and what is raised where it can not."""

from dataclasses import dataclass


class ModelError(Exception):
    """The engine can not have its model; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Device:
    """CTranslate2's names; ``threads`` are those of one decode."""

    name: str = "cpu"
    compute_type: str = "int8"
    threads: int = 1
