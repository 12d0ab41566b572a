"""Events: one for each transition of a condition, with the condition's own reason."""

import hashlib
from datetime import UTC, datetime

from gharial_api import names
from gharial_api.base import JsonObject, ObjectMeta

from gharial_operator.kinds import EVENT, Kind
from gharial_operator.policies.verdict import Transition

#: Longest message that the API server takes.
LONGEST = 1024


def build_event(kind: Kind, meta: ObjectMeta, transition: Transition, now: datetime, namespace: str) -> JsonObject:
    """The event of one transition.

    Its name is made from the object's resource version and the transition, never from the time: an operator that dies
    before it has written the status tells the same transition again under the same name. Objects without a namespace
    have their events in `namespace`.
    """
    condition = transition.condition
    told = f"{meta.uid} {meta.resource_version} {condition.type} {condition.reason}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    stamp = now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    involved = {"apiVersion": kind.api_version, "kind": kind.kind, "name": meta.name, "uid": meta.uid}
    if meta.namespace:
        involved["namespace"] = meta.namespace
    return {
        **EVENT.head(f"{meta.name[:200]}.{digest}", meta.namespace or namespace),
        "involvedObject": involved,
        "type": "Normal" if transition.normal else "Warning",
        "reason": condition.reason,
        "message": f"{condition.type} is {condition.status}: {condition.message}"[:LONGEST],
        "source": {"component": names.OPERATOR_MANAGER},
        "reportingComponent": names.OPERATOR_MANAGER,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
