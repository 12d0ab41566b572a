"""Carries out what the rollout decided, one write after another."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from gharial_api import AsrCardNode, AsrCardPool, names
from gharial_api.base import JsonObject, ObjectMeta
from gharial_api.rollout import CORDON_ANNOTATION, ROLLOUT_LABEL

from gharial_operator import kinds
from gharial_operator.api_client import ApiError
from gharial_operator.apply import Writer
from gharial_operator.events import CLUSTER_EVENTS_NAMESPACE, Told, build_event
from gharial_operator.facts import NodeFacts
from gharial_operator.policies.rollout import NodePlan
from gharial_operator.policies.rollout.plan import (
    FORCED_GRACE_SECONDS,
    Action,
    Cordon,
    Evict,
    Label,
    Tell,
    Terminate,
    Uncordon,
    Unmark,
)
from gharial_operator.specs.card_node import build_card_node

log = logging.getLogger(__name__)

#: States whose events are warnings.
_TROUBLES = frozenset({"Failed", "RollingBack", "RolledBack", "Quarantined"})
#: A write that something else came before is decided upon anew after so many seconds.
AGAIN_SECONDS = 1.0


class RolloutWriter:
    """Writes one round's orders.

    Args:
        writer: the operator's one writer.
        nodes: the nodes as the decision saw them, by name; a Node that has changed since is not cordoned or uncordoned.
        live: the AsrCardNodes as the decision saw them, by name.
        pool: whose nodes these are; None when the pool is gone, and then nothing is told to agents.
    """

    def __init__(
        self,
        writer: Writer,
        nodes: Iterable[NodeFacts],
        live: Mapping[str, JsonObject],
        pool: AsrCardPool | None,
    ) -> None:
        self._writer = writer
        self._versions = {node.name: node.resource_version for node in nodes}
        self._live = live
        self._pool = pool

    async def perform(self, actions: Iterable[Action]) -> float | None:
        """Does what is ordered; returns after how many seconds to decide anew when something was refused."""
        again = None
        for action in actions:
            try:
                await self._do(action)
            except ApiError as error:
                # 404: node or pod is gone. 409: somebody wrote first. 429: a disruption budget says not now.
                if error.status not in {404, 409, 429}:
                    raise
                log.info("%s: %s", action, error)
                again = AGAIN_SECONDS if error.status != 429 else again
        return again

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

    async def _tell(self, plan: NodePlan) -> None:
        live = self._live.get(plan.node)
        if self._pool is None or (live is not None and live["metadata"].get("deletionTimestamp")):
            return
        if live is not None and AsrCardNode.model_validate(live).spec.rollout.state != plan.state:
            meta = ObjectMeta.model_validate(live["metadata"])
            told = Told("Rollout", plan.reason, f"{plan.state}: {plan.message}", plan.state not in _TROUBLES)
            event = build_event(kinds.CARD_NODE, meta, told, datetime.now(UTC), CLUSTER_EVENTS_NAMESPACE)
            await self._writer.tell(event)
        await self._writer.apply(kinds.CARD_NODE, build_card_node(self._pool, plan), live)
