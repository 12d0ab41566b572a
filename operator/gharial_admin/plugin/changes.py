"""`kubectl gharial rollout pause|resume|undo|retry`: each is one field of the pool's spec."""

import argparse
import sys
from collections.abc import Sequence

from gharial_api import AsrCardNode, AsrCardPool
from gharial_api.base import JsonObject
from gharial_api.bitstream import Bitstream
from gharial_api.words import names as named

from gharial_admin.plugin.access import MANAGER, Access, now, typed

#: Writers of a field that put back what they have in a file somewhere.
_KEEPERS = ("argocd", "kustomize-controller", "helm", "flux", "fleet", "terraform", "pulumi")


def pause(arguments: argparse.Namespace) -> int:
    """Stops before the next node."""
    return _paused(arguments, True)


def resume(arguments: argparse.Namespace) -> int:
    """Goes on."""
    return _paused(arguments, False)


def _paused(arguments: argparse.Namespace, wanted: bool) -> int:
    access = Access.of(arguments)
    pool = access.pool(arguments.pool)
    name, live = pool["metadata"]["name"], typed(pool)
    if live.spec.upgrade_policy.paused == wanted:
        print(f"pool {name} {'is paused already' if wanted else 'is not paused'}")
        return 0
    access.patch_pool(pool, {"upgradePolicy": {"paused": wanted}})
    if wanted:
        print(f"pool {name} paused: what is being flashed is finished, a node that waits for its streams is given back")
        print(f"go on: kubectl gharial rollout resume {name}")
    else:
        print(f"pool {name} goes on; watch it: kubectl gharial rollout status {name} --watch")
    _warn_of_keeper(pool, "f:upgradePolicy", "f:paused")
    return 0


def retry(arguments: argparse.Namespace) -> int:
    """Forgives all failures: quarantined nodes are tried again, an open circuit breaker closes."""
    access = Access.of(arguments)
    pool = access.pool(arguments.pool)
    name = pool["metadata"]["name"]
    access.patch_pool(pool, {"upgradePolicy": {"reset": f"{now():%Y-%m-%dT%H:%M:%SZ}"}})
    print(f"pool {name}: failures forgiven; watch it: kubectl gharial rollout status {name} --watch")
    _warn_of_keeper(pool, "f:upgradePolicy", "f:reset")
    return 0


def undo(arguments: argparse.Namespace) -> int:
    """Back to the bitstream before; it rolls out like any other, under the same rules."""
    access = Access.of(arguments)
    pool = access.pool(arguments.pool)
    live = typed(pool)
    name = live.metadata.name
    back = before(live, access.nodes_of(name), arguments.to)
    fields: JsonObject = {"url": None, "configMap": None, **back.to_json()}
    here = live.spec.bitstream.version if live.spec.bitstream else "none"
    access.patch_pool(pool, {"bitstream": fields})
    print(f"pool {name}: {here} → {back.version}; watch it: kubectl gharial rollout status {name} --watch")
    if live.spec.upgrade_policy.paused:
        print(f"the pool is paused, so nothing moves yet: kubectl gharial rollout resume {name}")
    _warn_of_keeper(pool, "f:bitstream")
    return 0


def before(pool: AsrCardPool, nodes: Sequence[AsrCardNode], version: str | None = None) -> Bitstream:
    """The bitstream to go back to: the last one with which the pool was whole, else the last good one of its nodes.

    Raises RuntimeError when nothing is known, or when nodes disagree.
    """
    name, wanted = pool.metadata.name, pool.spec.bitstream
    known = [each for each in pool.status.good_bitstreams if each != wanted]
    of_nodes = [node.spec.rollout.last_good for node in nodes]
    others: list[Bitstream] = []
    for each in of_nodes:
        if each is not None and each != wanted and each not in [*known, *others]:
            others.append(each)
    if version is not None:
        chosen = next((each for each in [*known, *others] if each.version == version), None)
        if chosen is None:
            there = named(each.version for each in [*known, *others]) or "none"
            raise RuntimeError(
                f"pool {name} does not know {version} as good (known: {there}); apply its spec.bitstream"
            )
        return chosen
    if known:
        return known[0]
    if len(others) == 1:
        return others[0]
    if others:
        choices = named(sorted(each.version for each in others))
        raise RuntimeError(f"nodes of pool {name} come from {choices}: say which with --to VERSION")
    raise RuntimeError(
        f"no bitstream before this one is known: pool {name} was never seen whole with another. Apply the old "
        "spec.bitstream (version, url or configMap, sha256)."
    )


def _warn_of_keeper(pool: JsonObject, *path: str) -> None:
    """A field that a deployment tool owns will be put back by it."""
    for entry in pool["metadata"].get("managedFields") or []:
        part = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
        manager = str(entry.get("manager", ""))
        if part is not None and manager != MANAGER and any(keeper in manager.lower() for keeper in _KEEPERS):
            print(f"note: {manager} also writes this field and may put it back: change it there, too", file=sys.stderr)
            return
