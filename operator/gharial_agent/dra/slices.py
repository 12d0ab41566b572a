"""The node's cards as a ResourceSlice: what the scheduler may know of them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gharial_api import names
from gharial_kube.client import JsonObject

from gharial_agent.decide.facts import CardFacts
from gharial_agent.decide.verdict import Taint, Verdict

TAINT_KEY = f"{names.GROUP}/card"
SLICES_PATH = "/apis/resource.k8s.io/v1/resourceslices"
DEVICE_PREFIX = "card-"


def slice_name(node: str) -> str:
    """Name of the node's one slice."""
    return f"{node}-{names.DRA_DRIVER}"


def device_name(unique_id: str) -> str:
    """Name of a card as a device: the same wherever the card sits."""
    return f"{DEVICE_PREFIX}{unique_id}"


def unique_id_of(device: str) -> str:
    """The card behind a device name."""
    return device.removeprefix(DEVICE_PREFIX)


def devices(cards: Sequence[CardFacts], verdicts: Mapping[str, Verdict], pool: str) -> list[JsonObject]:
    """One device per card that was ever seen; those that must not be taken carry taints."""
    return [device(facts, verdicts[facts.unique_id], pool) for facts in cards]


def device(facts: CardFacts, verdict: Verdict, pool: str) -> JsonObject:
    """A card as a device: attributes for claims to select by, streams as capacity, taints while it is not to be had."""
    attributes: JsonObject = {
        "uniqueId": {"string": facts.unique_id},
        "pool": {"string": pool[:64]},
        "pciAddress": {"string": facts.record.pci_address},
        "licenceState": {"string": str(facts.licence.state)},
    }
    if facts.live is not None:
        attributes["bitstreamVersion"] = {"version": facts.live.version}
    if facts.card is not None:
        attributes["numaNode"] = {"int": facts.card.numa_node}
    if facts.licence.licence is not None:
        attributes["licenceMaxVersion"] = {"version": facts.licence.licence.max_version}
    streams = facts.card.streams_capacity if facts.card else 0
    found: JsonObject = {
        "name": device_name(facts.unique_id),
        "attributes": attributes,
        "capacity": {"streams": {"value": str(streams)}},
    }
    taints = device_taints(verdict)
    return {**found, "taints": taints} if taints else found


def device_taints(verdict: Verdict) -> list[JsonObject]:
    """NoExecute never comes alone: a pod that tolerates it would return to the sick card at once."""
    effects = {
        Taint.NONE: [],
        Taint.NO_SCHEDULE: ["NoSchedule"],
        Taint.NO_EXECUTE: ["NoSchedule", "NoExecute"],
    }[verdict.taint]
    return [{"key": TAINT_KEY, "value": str(verdict.reason), "effect": effect} for effect in effects]


def slice_object(node: str, owner: JsonObject, wanted: list[JsonObject], live: JsonObject | None) -> JsonObject | None:
    """The slice to write, or None when the live one says the same.

    The pool's generation goes up with every change. A taint that stays keeps its timeAdded: else every write would
    start pods' toleration times anew.
    """
    if live is None:
        return make_slice(node, owner, 1, wanted)
    spec = live["spec"]
    aged = [with_known_times(device, spec.get("devices") or []) for device in wanted]
    if same_devices(aged, spec.get("devices") or []) and spec["pool"].get("resourceSliceCount") == 1:
        return None
    made = make_slice(node, owner, int(spec["pool"].get("generation", 0)) + 1, aged)
    made["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    return made


def make_slice(node: str, owner: JsonObject, generation: int, wanted: list[JsonObject]) -> JsonObject:
    """A slice that holds the whole of the node's pool; it goes when its AsrCardNode goes."""
    reference = {
        "apiVersion": names.API_VERSION,
        "kind": names.NODE_KIND,
        "name": owner["name"],
        "uid": owner["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {
            "name": slice_name(node),
            "labels": {names.MANAGED_BY_LABEL: names.AGENT_MANAGER},
            "ownerReferences": [reference],
        },
        "spec": {
            "driver": names.DRA_DRIVER,
            "nodeName": node,
            "pool": {"name": node, "generation": generation, "resourceSliceCount": 1},
            "devices": wanted,
        },
    }


def with_known_times(wanted: JsonObject, live: Sequence[JsonObject]) -> JsonObject:
    """The device with the timeAdded of those of its taints that are there already."""
    before = next((device for device in live if device["name"] == wanted["name"]), {})
    known = {taint_key(taint): taint.get("timeAdded") for taint in before.get("taints") or []}
    taints = [
        {**taint, "timeAdded": known[taint_key(taint)]} if known.get(taint_key(taint)) else taint
        for taint in wanted.get("taints", [])
    ]
    return {**wanted, "taints": taints} if taints else wanted


def same_devices(wanted: Sequence[JsonObject], live: Sequence[JsonObject]) -> bool:
    """Whether the devices are equal in all that we set."""
    return {d["name"]: essence(d) for d in wanted} == {d["name"]: essence(d) for d in live}


def essence(device: JsonObject) -> tuple[Any, ...]:
    """What is compared of a device: not the times, which the API server adds."""
    taints = sorted(taint_key(taint) for taint in device.get("taints") or [])
    return device.get("attributes") or {}, device.get("capacity") or {}, taints


def taint_key(taint: JsonObject) -> tuple[str, str, str]:
    """What makes a taint the same taint; a new reason is no new taint in time."""
    return taint["key"], taint["effect"], taint.get("value", "")
