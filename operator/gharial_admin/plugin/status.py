"""`kubectl gharial status` and `cards`: the whole fleet on one screen."""

import argparse
import json
from dataclasses import replace

from gharial_api import AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject

from gharial_admin import report
from gharial_admin.findings import Finding, examine
from gharial_admin.inventory import inventory
from gharial_admin.looking.look import look, look_at_all
from gharial_admin.looking.sights import ESSENTIAL
from gharial_admin.looking.snapshot import MANAGED, Snapshot, labels_of
from gharial_admin.plugin.access import Access
from gharial_admin.plugin.progress import progress
from gharial_admin.plugin.rollout import row
from gharial_admin.terminal import Paper

LOOK_SECONDS = 30.0
#: More nodes than this are shown only where something is to be said about them.
NODES_SHOWN = 40


def status(arguments: argparse.Namespace) -> int:
    """What is wrong first, then pools, nodes and models. Exit status as `gharial check`."""
    access = Access.of(arguments)
    fallback = (access.namespace,)
    seen = look_at_all(access.kube, system=arguments.system_namespace, seconds=LOOK_SECONDS, fallback=fallback)
    if arguments.pool:
        access.pool(arguments.pool)
        seen = only(seen, arguments.pool)
    if arguments.namespace:
        inside = [each for each in seen.all(names.MODEL_PLURAL) if each["metadata"]["namespace"] == access.namespace]
        seen = replace(seen, objects={**seen.objects, names.MODEL_PLURAL: tuple(inside)})
    found = examine(seen)
    if arguments.output == "json":
        print(json.dumps(to_json(seen, found), indent=2))
        return report.status(seen, found)
    paper = Paper()
    report.write(paper, seen, found)
    _tables(paper, seen)
    return report.status(seen, found)


def only(seen: Snapshot, pool: str) -> Snapshot:
    """What belongs to one pool, and what belongs to none."""
    keep: dict[str, tuple[JsonObject, ...]] = dict(seen.objects)
    keep[names.POOL_PLURAL] = tuple(p for p in seen.all(names.POOL_PLURAL) if p["metadata"]["name"] == pool)
    for plural in (names.NODE_PLURAL, names.MODEL_PLURAL):
        keep[plural] = tuple(o for o in seen.all(plural) if o["spec"].get("poolRef", {}).get("name") == pool)
    keep["pods"] = tuple(p for p in seen.all("pods") if labels_of(p).get(names.POOL_LABEL, pool) == pool)
    return replace(seen, objects={plural: found for plural, found in keep.items() if seen.saw(plural)})


def _tables(paper: Paper, seen: Snapshot) -> None:
    if seen.pools:
        paper.line()
        head = ("POOL", "DRIVER", "NODES", "CARDS", "STREAMS", "BITSTREAM", "ROLLOUT")
        paper.table(head, [_pool(seen, pool) for pool in seen.pools])
    quiet = len(seen.card_nodes) > NODES_SHOWN
    nodes = [node for node in seen.card_nodes if not quiet or node.spec.rollout.state != "Done"]
    if nodes:
        paper.line()
        shown = nodes[:NODES_SHOWN]
        paper.table(("NODE", "STATE", "SINCE", "CARDS", "BITSTREAM", "STREAMS", "WHY"), [row(node) for node in shown])
        if len(seen.card_nodes) > len(shown):
            paper.line(f"and {len(seen.card_nodes) - len(shown)} more nodes: kubectl gharial cards")
    if seen.models:
        paper.line()
        paper.table(("MODEL", "POOL", "PODS", "STREAMS", "READY", "URL"), [_model(model) for model in seen.models])


def _pool(seen: Snapshot, pool: AsrCardPool) -> tuple[str, ...]:
    nodes, found = seen.nodes_of(pool), pool.status
    versions = found.bitstream
    arrow = f"{versions.current} → {versions.target}" if versions.target not in {"", versions.current} else ""
    managed = pool.spec.driver in MANAGED
    way = progress(pool, nodes, seen.now) if managed else None
    return (
        pool.metadata.name,
        pool.spec.driver,
        str(found.nodes),
        found.cards.summary,
        f"{found.streams.used}/{found.streams.capacity}",
        arrow or versions.current,
        f"{way.state}, {way.done}/{way.nodes}" if way else "",
    )


def _model(model: AsrModel) -> tuple[str, ...]:
    found = model.status
    ready = next((each for each in found.conditions if each.type == "Ready"), None)
    return (
        f"{model.metadata.namespace}/{model.metadata.name}",
        model.spec.pool_ref.name,
        f"{found.ready_replicas}/{model.spec.replicas}",
        f"{found.active_streams}/{found.stream_capacity}",
        f"{ready.status} {ready.reason}" if ready else "",
        found.url,
    )


def to_json(seen: Snapshot, found: list[Finding]) -> JsonObject:
    """For machines."""
    return {
        "findings": [each.to_json() for each in found],
        "notSeen": [gap.what for gap in seen.gaps],
        "pools": [
            {"name": pool.metadata.name, "spec": {"driver": pool.spec.driver}, "status": pool.status.to_json()}
            for pool in seen.pools
        ],
        "models": [
            {
                "namespace": model.metadata.namespace,
                "name": model.metadata.name,
                "status": model.status.to_json(),
            }
            for model in seen.models
        ],
        "cards": inventory(seen),
    }


def cards(arguments: argparse.Namespace) -> int:
    """A table of every card."""
    access = Access.of(arguments)
    seen = look(access.kube, ESSENTIAL[:2], seconds=LOOK_SECONDS)
    for gap in seen.gaps:
        right = f": ask for the right {gap.missing}" if gap.missing else ""
        raise RuntimeError(f"{gap.what} cannot be seen ({gap.why}){right}")
    if arguments.pool or not seen.pools:
        seen = only(seen, access.pool(arguments.pool)["metadata"]["name"])
    rows = inventory(seen)
    if arguments.output == "json":
        print(json.dumps(rows, indent=2))
        return 0
    if not rows:
        print("no agent has reported a card. Why: gharial check")
        return 0
    head = ("NODE", "ADDRESS", "ID", "BITSTREAM", "LICENCE", "ENDS", "HEALTH", "STREAMS", "PHASE", "WHY")
    Paper().table(head, [_card(each) for each in rows])
    return 0


def _card(each: JsonObject) -> tuple[str, ...]:
    streams, licence = each["streams"], each["licence"]
    return (
        each["node"],
        each["pciAddress"],
        each["uniqueId"],
        each["bitstream"] if each["target"] in {"", each["bitstream"]} else f"{each['bitstream']} → {each['target']}",
        licence["state"],
        licence["expires"] or ("never" if licence["state"] == "Valid" else ""),
        each["health"],
        f"{streams['used']}/{streams['capacity']}",
        each["phase"],
        each["why"],
    )
