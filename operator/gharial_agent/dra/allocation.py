"""Reading a ResourceClaim: which of this node's cards it was given. Pure."""

from gharial_api import names
from gharial_kube.client import JsonObject

from gharial_agent.dra.slices import unique_id_of


class ClaimError(RuntimeError):
    """The claim cannot be prepared here; the message reaches the pod's events."""


def allocated_card(claim: JsonObject, uid: str, node: str) -> tuple[str, list[str]]:
    """Unique id of the claim's card on this node, and the names of the requests it answers.

    Raises ClaimError when the claim is another one of the same name, or holds none or several of our cards.
    """
    if claim["metadata"]["uid"] != uid:
        raise ClaimError("the claim was deleted and made anew; the pod needs to be made anew too")
    allocation = claim.get("status", {}).get("allocation") or {}
    results = allocation.get("devices", {}).get("results") or []
    ours = [result for result in results if result["driver"] == names.DRA_DRIVER and result["pool"] == node]
    cards = {unique_id_of(result["device"]) for result in ours}
    if len(cards) != 1:
        raise ClaimError(f"the claim holds {len(cards)} cards of node {node}; a server pod takes exactly one")
    return cards.pop(), sorted({str(result["request"]) for result in ours})
