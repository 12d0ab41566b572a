"""A service: a program that a machine of the cluster keeps running."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One long-running program; its log is named after it."""

    name: str
    argv: tuple[str, ...]
