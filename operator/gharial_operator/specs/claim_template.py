"""The ResourceClaimTemplate by which each pod of a model gets a card of its own."""

from gharial_api import AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator.kinds import CLAIM_TEMPLATE
from gharial_operator.specs.common import child, labels

#: Name of the one request in the claim; the container refers to the claim by the same word.
CARD = "card"


def build_claim_template(model: AsrModel, pool: AsrCardPool) -> JsonObject:
    """One whole card of the pool, with the pool's bitstream and a valid licence."""
    request = {
        "name": CARD,
        "exactly": {
            "deviceClassName": names.DEVICE_CLASS,
            "allocationMode": "ExactCount",
            "count": 1,
            "selectors": [{"cel": {"expression": card_expression(pool)}}],
        },
    }
    spec = {"metadata": {"labels": labels(model)}, "spec": {"devices": {"requests": [request]}}}
    return child(CLAIM_TEMPLATE, model, spec=spec)


def card_expression(pool: AsrCardPool) -> str:
    """CEL that picks the pool's cards; pods that already have a card keep it when the expression changes."""
    attributes = f'device.attributes["{names.DRA_DRIVER}"]'
    terms = [f'{attributes}.pool == "{pool.metadata.name}"']
    if pool.spec.bitstream is not None:
        # A card that is off the bus has no version; asking it for one would end the scheduler's whole search.
        terms.append(f"has({attributes}.bitstreamVersion)")
        terms.append(f'{attributes}.bitstreamVersion.compareTo(semver("{pool.spec.bitstream.version}")) == 0')
    return " && ".join(terms)
