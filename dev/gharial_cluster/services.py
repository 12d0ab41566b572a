"""A service: a program that a machine of the cluster keeps running."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One long-running program; its log is named after it.

    `after` names files that must be there before it starts, such as another service's socket.
    """

    name: str
    argv: tuple[str, ...]
    after: tuple[str, ...] = ()
