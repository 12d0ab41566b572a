"""AsrCardNode's status from what NVML says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gharial_api.conditions import ConditionType, Reason
from gharial_api.node import AsrCardNode, Card, CardGpu, CardLicence, NodeStatus

from gharial_agent.gpus.reading import Gpu, Reading
from gharial_agent.status import Aspect, condition

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Seen:
    """One look. reading is None when NVML could not be used, and unavailable says why; troubles: by UUID."""

    reading: Reading | None
    troubles: Mapping[str, str]
    unavailable: str = ""


def gpu_status(node: AsrCardNode, seen: Seen, now: datetime) -> NodeStatus:
    """The whole status. The last one is the memory of GPUs that were there: it outlives the agent."""
    cards = gpu_cards(node.status.cards, seen)
    aspects = {
        ConditionType.READY: ready(node, cards, seen),
        ConditionType.PROGRESSING: Aspect("False", Reason.AS_EXPECTED, "GPUs are not flashed."),
        ConditionType.LICENCES_VALID: Aspect("True", Reason.LICENCES_NOT_NEEDED, "GPUs need no licence."),
    }
    before = {condition.type: condition for condition in node.status.conditions}
    good = sum(card.health == "Healthy" for card in cards)
    return NodeStatus(
        observed_generation=node.metadata.generation,
        conditions=[
            condition(kind, aspect, before.get(kind), node.metadata.generation, now) for kind, aspect in aspects.items()
        ],
        cards=cards,
        summary=f"{good}/{len(cards)}" if seen.reading else f"?/{len(cards)}",
    )


def gpu_cards(before: Sequence[Card], seen: Seen) -> list[Card]:
    """The GPUs by address: those that answer, and those that did once."""
    if seen.reading is None:
        return [card.model_copy(update={"health": "Unknown", "health_message": None}) for card in before]
    here = [gpu_card(gpu, seen.reading.driver_version, seen.troubles.get(gpu.uuid, "")) for gpu in seen.reading.gpus]
    addresses, ids = {card.pci_address for card in here}, {card.unique_id for card in here}
    missing = [c for c in before if c.unique_id not in ids and c.pci_address not in addresses]
    said = f" NVML says: {'; '.join(seen.reading.unnamed)}." if seen.reading.unnamed else ""
    gone = f"It was there and is not any more.{said} If it was taken out for good, delete this AsrCardNode."
    lost = {"health": "Unhealthy", "health_message": gone, "phase": "Failed"}
    return sorted([*here, *(card.model_copy(update=lost) for card in missing)], key=lambda card: card.pci_address)


def gpu_card(gpu: Gpu, driver_version: str, trouble: str) -> Card:
    """One GPU's part. Streams stay with the server pods: NVML knows nothing of them."""
    return Card(
        pci_address=gpu.pci_address,
        unique_id=gpu.uuid,
        licence=CardLicence(state="NotNeeded"),
        health="Unhealthy" if trouble else "Healthy",
        health_message=trouble or None,
        phase="Failed" if trouble else "Ready",
        gpu=CardGpu(
            product=gpu.product,
            memory=f"{gpu.memory_bytes // MEBIBYTE}Mi" if gpu.memory_bytes else "",
            driver_version=driver_version or None,
        ),
    )


def ready(node: AsrCardNode, cards: Sequence[Card], seen: Seen) -> Aspect:
    """Whether all GPUs can be read and are fit; else the first bad one's sentence."""
    if seen.reading is None:
        return Aspect("False", Reason.NVML_UNAVAILABLE, seen.unavailable)
    if not cards:
        said = f" NVML says: {'; '.join(seen.reading.unnamed)}." if seen.reading.unnamed else ""
        return Aspect("False", Reason.NO_CARDS_FOUND, f"NVML finds no GPU on {node.spec.node_name}.{said}")
    bad = [card for card in cards if card.health != "Healthy"]
    if bad:
        more = f" {len(bad) - 1} more of {len(cards)} GPUs are not fit either." if len(bad) > 1 else ""
        return Aspect("False", Reason.CARD_UNHEALTHY, f"GPU {bad[0].pci_address}: {bad[0].health_message}{more}")
    what = "The GPU is" if len(cards) == 1 else f"All {len(cards)} GPUs are"
    return Aspect("True", Reason.CARDS_READY, f"{what} fit to serve; driver {seen.reading.driver_version}.")
