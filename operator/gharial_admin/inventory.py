"""Every card there is, as one row each."""

from gharial_api import AsrCardNode
from gharial_api.base import JsonObject
from gharial_api.node import Card

from gharial_admin.looking.snapshot import Snapshot


def inventory(seen: Snapshot) -> list[JsonObject]:
    """All cards that agents have reported, by node and address."""
    return [row(node, card) for node in seen.card_nodes for card in node.status.cards]


def row(node: AsrCardNode, card: Card) -> JsonObject:
    """One card for machines."""
    licence = card.licence
    return {
        "node": node.spec.node_name,
        "pool": node.spec.pool_ref.name,
        "driver": node.spec.driver,
        "pciAddress": card.pci_address,
        "uniqueId": card.unique_id,
        "bitstream": card.bitstream,
        "target": node.spec.bitstream.version if node.spec.bitstream else "",
        "licence": {
            "state": licence.state if licence else "",
            "expires": (licence.expires or "") if licence else "",
            "maxVersion": (licence.max_version or "") if licence else "",
            "message": (licence.message or "") if licence else "",
        },
        "health": card.health,
        "streams": {"used": card.streams.used, "capacity": card.streams.capacity},
        "phase": card.phase,
        "why": why(node, card),
    }


def why(node: AsrCardNode, card: Card) -> str:
    """Why a card does not serve, in the agent's words; empty when it serves."""
    if card.health_message and card.health != "Healthy":
        return card.health_message
    if card.last_flash is not None and card.last_flash.result == "Failed":
        return f"flash failed: {card.last_flash.message or 'no word from the tool'}"
    if card.licence is not None and card.licence.state not in {"Valid", "NotNeeded"}:
        return card.licence.message or card.licence.state
    if card.phase != "Ready":
        return node.spec.flash_reason
    return ""
