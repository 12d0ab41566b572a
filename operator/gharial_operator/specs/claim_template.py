"""The ResourceClaimTemplate by which each pod of a model gets a card of its own."""

import json
from collections.abc import Sequence

from gharial_api import AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject
from gharial_api.gpu import DRA_DRIVER

from gharial_operator.kinds import CLAIM_TEMPLATE
from gharial_operator.policies.machines import MANAGED_DRIVERS
from gharial_operator.specs.common import child, labels

#: Name of the one request in the claim; the container refers to the claim by the same word.
CARD = "card"


def takes_claim(pool: AsrCardPool) -> bool:
    """Whether a pod of the pool gets its card by a claim: a card of ours, or a GPU of NVIDIA's DRA driver."""
    if pool.spec.driver == "cuda":
        return pool.spec.gpu_claim.claim_by == "ResourceClaim"
    return pool.spec.driver in MANAGED_DRIVERS


def build_claim_template(model: AsrModel, pool: AsrCardPool, versions: Sequence[str]) -> JsonObject:
    """One whole card of the pool, with one of these bitstream versions (any, when there are none)."""
    cuda = pool.spec.driver == "cuda"
    expression = gpu_expression(pool) if cuda else card_expression(pool, versions)
    exactly: JsonObject = {
        "deviceClassName": pool.spec.gpu_claim.device_class_name if cuda else names.DEVICE_CLASS,
        "allocationMode": "ExactCount",
        "count": 1,
    }
    if expression:
        exactly["selectors"] = [{"cel": {"expression": expression}}]
    request = {"name": CARD, "exactly": exactly}
    spec = {"metadata": {"labels": labels(model)}, "spec": {"devices": {"requests": [request]}}}
    return child(CLAIM_TEMPLATE, model, spec=spec)


def card_expression(pool: AsrCardPool, versions: Sequence[str]) -> str:
    """CEL that picks the pool's cards; pods that already have a card keep it when the expression changes."""
    attributes = f'device.attributes["{names.DRA_DRIVER}"]'
    terms = [f'{attributes}.pool == "{pool.metadata.name}"']
    if versions:
        # A card that is off the bus has no version; asking it for one would end the scheduler's whole search.
        terms.append(f"has({attributes}.bitstreamVersion)")
        fits = [f'{attributes}.bitstreamVersion.compareTo(semver("{version}")) == 0' for version in versions]
        terms.append(fits[0] if len(fits) == 1 else f"({' || '.join(fits)})")
    return " && ".join(terms)


def gpu_expression(pool: AsrCardPool) -> str:
    """CEL that picks the GPUs that the pool allows; empty when the DeviceClass says it all.

    A device without the attribute is passed over: asking it for one would end the scheduler's whole search.
    """
    claim, terms = pool.spec.gpu_claim, []
    if claim.product_name is not None:
        attributes = f'device.attributes["{DRA_DRIVER}"]'
        terms.append(f"has({attributes}.productName) && {attributes}.productName == {json.dumps(claim.product_name)}")
    if claim.min_memory is not None:
        capacity = f'device.capacity["{DRA_DRIVER}"]'
        least = f'quantity("{claim.min_memory}")'
        terms.append(f"has({capacity}.memory) && {capacity}.memory.compareTo({least}) >= 0")
    return " && ".join(terms)
