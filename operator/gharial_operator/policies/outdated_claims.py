"""Pods that wait for a card which the model no longer asks for.

A pod's claim is made from the template of its moment and never changes. One that waits for a bitstream of before would
wait for ever, and with it everything that waits for the pod: the model's budget, and through that a node's drain. No
other pod is touched: one that the scheduler was about to place would leave its successor waiting for minutes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from gharial_api.base import JsonObject

from gharial_operator.facts import PodFacts

#: Kubernetes makes a pod's claim from a template that may be so much older than the one that is there.
LAG = timedelta(seconds=5)
#: A pod of that doubtful time is looked at for so long; asking for ever would cost a request for each round.
DOUBTFUL = timedelta(minutes=10)


def may_be_outdated(
    pods: Iterable[PodFacts], template: JsonObject | None, replaced: bool, now: datetime
) -> list[PodFacts]:
    """Pods without a place whose claim may be of an older template; all of them when it has just been replaced."""
    if template is None:
        return []
    made = datetime.fromisoformat(template["metadata"]["creationTimestamp"])

    def doubtful(pod: PodFacts) -> bool:
        created = datetime.fromisoformat(pod.created)
        return replaced or created < made or (created <= made + LAG and now - created < DOUBTFUL)

    return [pod for pod in pods if not pod.scheduled and not pod.terminating and doubtful(pod)]


def outdated_pods(
    pods: Sequence[PodFacts], claims: Iterable[JsonObject], devices: JsonObject, version: str | None
) -> list[tuple[str, str]]:
    """Name and uid of those of the pods whose claim has no card yet and will not find one when all is as wanted.

    devices: `spec.devices` of what the template makes now. version: the bitstream to which the cards are on their
    way, if it names one; a claim that takes it is as good as a new one, whatever else it takes.
    """
    names = {pod.name for pod in pods}
    found = []
    for claim in claims:
        owners = [owner for owner in claim["metadata"].get("ownerReferences", []) if owner["kind"] == "Pod"]
        asked = _asked(claim["spec"]["devices"])
        if "allocation" not in claim.get("status", {}) and asked != _asked(devices) and not _takes(asked, version):
            found += [(owner["name"], owner["uid"]) for owner in owners if owner["name"] in names]
    return found


def _takes(asked: list[tuple[str, list[str]]], version: str | None) -> bool:
    return version is not None and any(f'semver("{version}")' in text for _, texts in asked for text in texts)


def _asked(devices: JsonObject) -> list[tuple[str, list[str]]]:
    """What each request wants of a device, without what the API server fills in."""
    requests = [request["exactly"] for request in devices.get("requests", []) if "exactly" in request]
    return [
        (exactly["deviceClassName"], [selector["cel"]["expression"] for selector in exactly.get("selectors", [])])
        for exactly in requests
    ]
