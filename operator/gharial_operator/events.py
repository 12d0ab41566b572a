"""Events: one for each transition of a condition or of a node's rollout, with its own reason."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from gharial_api import names
from gharial_api.base import JsonObject, ObjectMeta

from gharial_operator.kinds import EVENT, Kind
from gharial_operator.policies.verdict import Transition

#: Events about objects without a namespace lie where Kubernetes itself puts them.
CLUSTER_EVENTS_NAMESPACE = "default"
#: Longest message that the API server takes.
LONGEST = 1024


@dataclass(frozen=True)
class Told:
    """What an event says. what: the aspect of the object that has changed."""

    what: str
    reason: str
    message: str
    normal: bool


def of_transition(transition: Transition) -> Told:
    """A condition's change in words."""
    condition = transition.condition
    message = f"{condition.type} is {condition.status}: {condition.message}"
    return Told(condition.type, condition.reason, message, transition.normal)


def build_event(kind: Kind, meta: ObjectMeta, told: Told, now: datetime, namespace: str) -> JsonObject:
    """The event of one transition.

    Its name is made from the object's resource version and the transition, never from the time: an operator that dies
    before it has written the new state tells the same transition again under the same name. Objects without a namespace
    have their events in `namespace`.
    """
    identity = f"{meta.uid} {meta.resource_version} {told.what} {told.reason}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    stamp = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    involved = {"apiVersion": kind.api_version, "kind": kind.kind, "name": meta.name, "uid": meta.uid}
    if meta.namespace:
        involved["namespace"] = meta.namespace
    return {
        **EVENT.head(f"{meta.name[:200]}.{digest}", meta.namespace or namespace),
        "involvedObject": involved,
        "type": "Normal" if told.normal else "Warning",
        "reason": told.reason,
        "message": told.message[:LONGEST],
        "source": {"component": names.OPERATOR_MANAGER},
        "reportingComponent": names.OPERATOR_MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
