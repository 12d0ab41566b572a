"""The ResourceClaimTemplate by which each pod of a model gets a card of its own."""

from collections.abc import Sequence

from gharial_api import AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator.kinds import CLAIM_TEMPLATE
from gharial_operator.specs.common import child, labels

#: Name of the one request in the claim; the container refers to the claim by the same word.
CARD = "card"


def build_claim_template(model: AsrModel, pool: AsrCardPool, versions: Sequence[str]) -> JsonObject:
    """One whole card of the pool, with one of these bitstream versions (any, when there are none)."""
    request = {
        "name": CARD,
        "exactly": {
            "deviceClassName": names.DEVICE_CLASS,
            "allocationMode": "ExactCount",
            "count": 1,
            "selectors": [{"cel": {"expression": card_expression(pool, versions)}}],
        },
    }
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
