"""`kubectl gharial rollout status`: per node where it stands, since when and why; waits on demand."""

import argparse
import json
import time
from collections.abc import Sequence

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.base import JsonObject

from gharial_admin.findings.rollout import why
from gharial_admin.plugin.access import Access, now, typed
from gharial_admin.plugin.progress import STATUS, Progress, eta_words, progress
from gharial_admin.terminal import Paper, age

POLL_SECONDS = 2.0
#: A stop counts when it lasts so long: between two nodes nothing moves for a moment.
SETTLED_SECONDS = 10.0
_MARKS = {"done": ("✓", "green"), "under way": ("…", "yellow"), "stopped": ("✗", "red")}


def status(arguments: argparse.Namespace) -> int:
    """Shows one pool, or all; the worst of them decides the exit status."""
    access = Access.of(arguments)
    if arguments.watch:
        return watch(access, arguments)
    names = [arguments.pool] if arguments.pool else [str(pool["metadata"]["name"]) for pool in access.pools()]
    if not names:
        access.pool(None)
    shown = [_seen(access, name) for name in names]
    if arguments.output == "json":
        print(json.dumps([to_json(*each) for each in shown], indent=2))
    else:
        paper = Paper()
        for each in shown:
            show(paper, *each)
    return max(STATUS[found.state] for _, _, found in shown)


def _seen(access: Access, name: str | None) -> tuple[AsrCardPool, list[AsrCardNode], Progress]:
    pool = typed(access.pool(name))
    nodes = access.nodes_of(pool.metadata.name)
    return pool, nodes, progress(pool, nodes, now())


def show(paper: Paper, pool: AsrCardPool, nodes: Sequence[AsrCardNode], found: Progress) -> None:
    """The pool's line and a table of its nodes."""
    mark, colour = _MARKS[found.state]
    eta = f" ({words})" if (words := eta_words(found)) else ""
    paper.wrapped(f"{paper.colour(mark, colour)} {pool.metadata.name}: {found.state}. {found.says}{eta}", rest="  ")
    if nodes:
        head = ("NODE", "STATE", "SINCE", "CARDS", "BITSTREAM", "STREAMS", "WHY")
        paper.table(head, [row(node) for node in nodes], whole=True)


def row(node: AsrCardNode) -> tuple[str, ...]:
    """One node."""
    cards, record = node.status.cards, node.spec.rollout
    streams = f"{sum(c.streams.used for c in cards)}/{sum(c.streams.capacity for c in cards)}"
    done = record.state == "Done"
    return (
        node.spec.node_name,
        record.state,
        age(record.since, now()),
        node.status.summary,
        node.status.bitstream.current,
        streams,
        "" if done else node.spec.flash_reason,
    )


def to_json(pool: AsrCardPool, nodes: Sequence[AsrCardNode], found: Progress) -> JsonObject:
    """For machines."""
    return {
        "pool": pool.metadata.name,
        "state": found.state,
        "says": found.says,
        "done": found.done,
        "target": pool.spec.bitstream.version if pool.spec.bitstream else "",
        "secondsLeft": found.eta.total_seconds() if found.eta else None,
        "nodes": [
            {
                "name": node.spec.node_name,
                "state": node.spec.rollout.state,
                "since": node.spec.rollout.since.isoformat() if node.spec.rollout.since else None,
                "reason": why(node)[0],
                "message": why(node)[1],
                "attempts": node.spec.rollout.attempts,
            }
            for node in nodes
        ],
    }


def watch(access: Access, arguments: argparse.Namespace) -> int:
    """Tells each change until the rollout is done or stopped, or the time is over (then it is still under way)."""
    paper, name = Paper(), str(access.pool(arguments.pool)["metadata"]["name"])
    end = time.monotonic() + arguments.timeout if arguments.timeout else float("inf")
    told: dict[str, str] = {}
    stopped_since: float | None = None
    while True:
        try:
            _, nodes, found = _seen(access, name)
        except RuntimeError as error:
            found, nodes = Progress("under way", str(error), 0, 0), []
        _tell(paper, nodes, found, told)
        stopped_since = (stopped_since or time.monotonic()) if found.state == "stopped" else None
        settled = stopped_since is not None and time.monotonic() - stopped_since >= SETTLED_SECONDS
        if found.state == "done" or settled:
            return STATUS[found.state]
        if time.monotonic() >= end:
            paper.line(f"not done after {arguments.timeout:.0f} s; the rollout goes on by itself")
            return STATUS[found.state]
        time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))


def _tell(paper: Paper, nodes: Sequence[AsrCardNode], found: Progress, told: dict[str, str]) -> None:
    stamp = f"{now():%H:%M:%S}"
    for node in nodes:
        line = f"{node.spec.node_name}: {node.spec.rollout.state}. {why(node)[1]}"
        if told.get(node.spec.node_name) != line:
            told[node.spec.node_name] = line
            paper.line(f"{stamp}  {line}")
    if told.get("") != found.says:
        told[""] = found.says
        mark, colour = _MARKS[found.state]
        eta = f" ({words})" if (words := eta_words(found)) else ""
        paper.line(f"{stamp}  {paper.colour(mark, colour)} {found.says}{eta}")
