"""Publishes a status: its events first, then the status itself, and only when something changed."""

import contextlib
from datetime import UTC, datetime

from gharial_api import AsrCardPool, AsrModel
from gharial_api.conditions import ConditionType
from gharial_api.model import ModelStatus
from gharial_api.pool import PoolStatus

from gharial_operator.context import Context
from gharial_operator.events import CLUSTER_EVENTS_NAMESPACE, build_event, of_transition
from gharial_operator.kinds import Kind
from gharial_operator.metrics import CONDITION
from gharial_operator.policies.verdict import transitions


def forget_status(kind: Kind, name: str, namespace: str | None) -> None:
    """Takes the metrics of an object that is gone out of the exposition."""
    for condition in ConditionType:
        with contextlib.suppress(KeyError):
            CONDITION.remove(kind.kind, namespace or "", name, str(condition))


async def publish_status(
    context: Context, kind: Kind, owner: AsrCardPool | AsrModel, status: PoolStatus | ModelStatus
) -> None:
    """Writes events and status, when they are not what they were.

    Events come first: a death between the two tells a transition again under the same name, which is refused, rather
    than never.
    """
    meta = owner.metadata
    for condition in status.conditions:
        labels = (kind.kind, meta.namespace or "", meta.name, condition.type)
        CONDITION.labels(*labels).set(1 if condition.status == "True" else 0)
    if status == owner.status:
        return
    for transition in transitions(owner.status.conditions, status.conditions):
        event = build_event(kind, meta, of_transition(transition), datetime.now(UTC), CLUSTER_EVENTS_NAMESPACE)
        await context.writer.tell(event)
    await context.writer.apply_status(kind, meta.name, meta.namespace, status.to_json())
