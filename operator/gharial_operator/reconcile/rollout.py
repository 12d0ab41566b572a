"""Carries out what the rollout decided, in order."""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import get_args

from gharial_api import AsrCardNode, AsrCardPool, names
from gharial_api.conditions import Reason
from gharial_api.node import NodeSpec
from gharial_api.rollout import CORDON_ANNOTATION, ROLLOUT_LABEL, RolloutState

from gharial_operator import kinds
from gharial_operator.api_client import ApiError
from gharial_operator.apply import Writer
from gharial_operator.events import CLUSTER_EVENTS_NAMESPACE, Told, build_event
from gharial_operator.facts import NodeFacts
from gharial_operator.metrics import POWER_CYCLES, ROLLOUT_NODES
from gharial_operator.policies.rollout import NodePlan
from gharial_operator.policies.rollout.plan import (
    FORCED_GRACE_SECONDS,
    Action,
    Cordon,
    Evict,
    Label,
    Tell,
    Terminate,
    Turn,
    Uncordon,
    Unmark,
)
from gharial_operator.seen import Seen
from gharial_operator.side_by_side import side_by_side
from gharial_operator.specs.card_node import build_card_node

log = logging.getLogger(__name__)

#: States whose events are warnings.
_TROUBLES = frozenset({"Failed", "RollingBack", "RolledBack", "Quarantined"})
_POWER_TROUBLES = frozenset(
    {Reason.POWER_CONTROLLER_UNKNOWN, Reason.POWER_CONTROLLER_FAILED, Reason.POWER_CYCLE_REQUIRED}
)
#: Orders about different nodes that bind no budget: so many of them are written at a time.
_INDEPENDENT = frozenset({Tell, Label})
_TOGETHER = 8
#: A write that something else came before is decided upon anew after so many seconds.
AGAIN_SECONDS = 1.0


class RolloutWriter:
    """Writes one round's orders.

    Args:
        writer: the operator's one writer.
        nodes: the nodes as the decision saw them, by name; a Node that has changed since is not cordoned or uncordoned.
        live: the AsrCardNodes as the decision saw them, by name.
        pool: whose nodes these are; None when the pool is gone, and then nothing is told to agents.
        told: which plan each version of an AsrCardNode was found to hold already; kept between rounds.
    """

    def __init__(
        self,
        writer: Writer,
        nodes: Iterable[NodeFacts],
        live: Mapping[str, Seen[AsrCardNode]],
        pool: AsrCardPool | None,
        told: dict[str, tuple[int, object]],
    ) -> None:
        self._writer = writer
        self._versions = {node.name: node.resource_version for node in nodes}
        self._live = live
        self._pool = pool
        self._told = told

    async def perform(self, actions: Iterable[Action]) -> float | None:
        """Does what is ordered; returns after how many seconds to decide anew when something was refused."""
        again = None
        for kind, orders in groupby(actions, key=type):
            for wait in await side_by_side(map(self._attempt, orders), _TOGETHER if kind in _INDEPENDENT else 1):
                again = wait or again
        return again

    async def _attempt(self, action: Action) -> float | None:
        try:
            await self._do(action)
        except ApiError as error:
            # 404: node or pod is gone. 409: somebody wrote first. 429: a disruption budget says not now.
            if error.status not in {404, 409, 429}:
                raise
            log.info("%s: %s", action, error)
            return AGAIN_SECONDS if error.status != 429 else None
        return None

    async def _do(self, action: Action) -> None:
        writer = self._writer
        match action:
            case Tell(plan):
                await self._tell(plan)
            case Cordon(node) if self._pool is not None:
                # Mark and cordon are one write: there is no cordon of ours that nobody knows of.
                mark = {"annotations": {CORDON_ANNOTATION: self._pool.metadata.name}}
                patch = {"metadata": mark, "spec": {"unschedulable": True}}
                await writer.patch_node(node, patch, self._versions[node])
            case Uncordon(node):
                patch = {"metadata": {"annotations": {CORDON_ANNOTATION: None}}, "spec": {"unschedulable": None}}
                await writer.patch_node(node, patch, self._versions[node])
            case Unmark(node):
                await writer.patch_node(node, {"metadata": {"annotations": {CORDON_ANNOTATION: None}}})
            case Label(node, pool, state):
                labels = {names.POOL_LABEL: pool if state else None, ROLLOUT_LABEL: state}
                await writer.patch_node(node, {"metadata": {"labels": labels}})
            case Evict(pod):
                await writer.evict(pod.namespace, pod.name, pod.uid)
            case Terminate(pod):
                await writer.terminate(pod.namespace, pod.name, pod.uid, FORCED_GRACE_SECONDS)
            case Turn():
                pass  # its intent is stored; the keeper asks for it beside the reconciliation

    async def _tell(self, plan: NodePlan) -> None:
        seen = self._live.get(plan.node)
        if self._pool is None or (seen is not None and _has_gone(seen)):
            return
        if seen is None:
            await self._writer.apply(kinds.CARD_NODE, build_card_node(self._pool, plan), None)
            return
        held = (seen.version, (self._pool.metadata.uid, self._pool.metadata.generation, plan))
        if self._told.get(plan.node) == held:
            return
        before = seen.value.spec
        if _worth_an_event(before, plan):
            normal = plan.state not in _TROUBLES and plan.reason not in _POWER_TROUBLES
            told = Told("Rollout", plan.reason, f"{plan.state}: {plan.message}", normal)
            meta = seen.value.metadata
            event = build_event(kinds.CARD_NODE, meta, told, datetime.now(UTC), CLUSTER_EVENTS_NAMESPACE)
            await self._writer.tell(event)
        if await self._writer.apply(kinds.CARD_NODE, build_card_node(self._pool, plan), seen.live):
            _count_power_cycle(before, plan)
        else:
            self._told[plan.node] = held


def _has_gone(seen: Seen[AsrCardNode]) -> bool:
    """Whether the AsrCardNode is deleted; one that our finalizer holds is told all until its machine has power."""
    meta = seen.value.metadata
    return meta.deletion_timestamp is not None and names.POWER_FINALIZER not in meta.finalizers


def _worth_an_event(before: NodeSpec, plan: NodePlan) -> bool:
    """Another state; on the way through a power cycle also another step of it, or another reason to wait."""
    if before.rollout.state != plan.state:
        return True
    if plan.state != "PowerCycling" or plan.power_cycle == "Card":
        return False
    steps = [record.power.step if record.power else "" for record in (before.rollout, plan.record)]
    return steps[0] != steps[1] or before.flash_reason.split(":")[0] != plan.reason


def _count_power_cycle(before: NodeSpec, plan: NodePlan) -> None:
    """A power cycle ends with a machine that has started anew; a controller that gives trouble is counted once."""
    old, new = before.rollout.power, plan.record.power
    if old is not None and new is not None and (old.step, new.step) == ("TurningOn", "TurnedOn"):
        POWER_CYCLES.labels("done").inc()
    if plan.reason is Reason.POWER_CONTROLLER_FAILED and not before.flash_reason.startswith(plan.reason):
        POWER_CYCLES.labels("failed").inc()


def count_nodes(pool: str, plans: Iterable[NodePlan]) -> None:
    """The gauge of a pool's nodes by state; the states that no node is in show 0, a pool without nodes none."""
    found = Counter(plan.state for plan in plans)
    for state in get_args(RolloutState):
        if found:
            ROLLOUT_NODES.labels(pool, state).set(found[state])
        else:
            with contextlib.suppress(KeyError):
                ROLLOUT_NODES.remove(pool, state)
