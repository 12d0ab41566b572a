"""Cards and their licences."""

from collections.abc import Iterator

from gharial_api import names
from gharial_api.node import LICENCE_REASONS, AsrCardNode, Card
from gharial_api.words import count
from gharial_api.words import names as named

from gharial_admin.findings import pods
from gharial_admin.findings.finding import Code, Finding, error, warning
from gharial_admin.looking.snapshot import Snapshot

#: What to do about a licence in each state that keeps a card from serving.
_REMEDIES = {
    "Missing": "Add the card's licence file to a Secret that the pool's spec.licences names.",
    "WrongCard": "Add a licence for this very card to a Secret that the pool's spec.licences names.",
    "BadSignature": "Fetch the file again from the issuer; compare the chart's licensing.publicKey with the issuer's.",
    "Expired": "Ask the issuer for a renewal and put it into the Secret; the card serves within a minute.",
    "VersionExceeded": "Renew the licence, or set an older bitstream: kubectl gharial rollout undo {pool}",
    "ReleaseDateExceeded": "Renew the licence, or set an older bitstream: kubectl gharial rollout undo {pool}",
}


def label(node: AsrCardNode, card: Card) -> str:
    """`node-a 0000:3b:00.0`."""
    return f"{node.spec.node_name} {card.pci_address}"


def broken(card: Card) -> bool:
    """Whether somebody has to look at the card."""
    return card.health == "Unhealthy" or card.phase == "Failed"


def cards(seen: Snapshot) -> Iterator[Finding]:
    """Every card that is broken, and nodes whose cards the scheduler does not hear of."""
    for node in seen.card_nodes:
        for card in node.status.cards:
            if broken(card):
                yield _broken(node, card)
    yield from _not_offered(seen)


def _broken(node: AsrCardNode, card: Card) -> Finding:
    flash = card.last_flash
    subject = f"card {label(node, card)}"
    if flash is not None and flash.result == "Failed":
        again = node.spec.rollout.state not in {"Quarantined", "RolledBack"}
        says = (
            f"Its flash failed (attempt {flash.attempt}, {flash.version or 'unknown version'}). {flash.message or ''}"
        )
        remedy = "It is tried again by itself." if again else _retry(node)
        kind = warning if again else error
        return kind(Code.CARD_BROKEN, subject, says.strip(), remedy, flash.time)
    says = card.health_message or f"It is {card.health} in phase {card.phase}."
    if node.spec.driver == "cuda":
        return error(
            Code.CARD_BROKEN,
            subject,
            f"GPU {card.unique_id}: {says}",
            "A server pod that holds it stays with it: delete that pod, and the scheduler finds it another GPU. See "
            "docs/how-to/run-on-gpus.md.",
        )
    return error(
        Code.CARD_BROKEN,
        subject,
        f"Card {card.unique_id or 'without id'}: {says}",
        f"Look at the machine: lspci -s {card.pci_address}, and its kernel log. A card that is off the bus often comes "
        "back after a power cycle (a reboot is not enough); else replace it. Its clients have reconnected elsewhere.",
    )


def _retry(node: AsrCardNode) -> str:
    pool = node.spec.pool_ref.name
    return (
        f"Mend the cause, then: kubectl gharial rollout retry {pool}. Or go back: kubectl gharial rollout undo {pool}"
    )


def _not_offered(seen: Snapshot) -> Iterator[Finding]:
    if not seen.saw("resourceslices"):
        return
    offered = {(each.get("spec") or {}).get("nodeName") for each in seen.all("resourceslices")}
    agents = pods.agents(seen)
    # Where no agent runs, that is the finding.
    heard = {name for name, pod in agents.items() if pods.ready(pod)}
    # GPUs are offered by NVIDIA's own components.
    ours = [node for node in seen.card_nodes if node.spec.driver != "cuda"]
    silent = [node for node in ours if node.status.cards and node.spec.node_name in heard - offered]
    if silent:
        where = named(node.spec.node_name for node in silent)
        cards = sum(len(node.status.cards) for node in silent)
        yield error(
            Code.CARD_NOT_OFFERED,
            f"cards of {where}",
            f"{count(cards, 'card')} on {where} {'is' if cards == 1 else 'are'} in no ResourceSlice: no pod can get "
            f"{'it' if cards == 1 else 'them'}.",
            "See the agent's log: kubectl -n gharial-system logs -l "
            f"'app.kubernetes.io/component in (agent, achronix-agent)'. Driver {names.DRA_DRIVER} must be registered "
            "with the kubelet of the node.",
        )


def licences(seen: Snapshot) -> Iterator[Finding]:
    """Cards that may not serve, and those that soon may not; one finding for each pool and state."""
    groups: dict[tuple[str, str], list[tuple[str, Card]]] = {}
    for node in seen.card_nodes:
        for card in node.status.cards:
            if card.licence is not None:
                found = groups.setdefault((node.spec.pool_ref.name, card.licence.state), [])
                found.append((label(node, card), card))
    for (pool, state), found in groups.items():
        which = named(f"{place} (id {card.unique_id})" for place, card in found)
        said = next((card.licence.message for _, card in found if card.licence and card.licence.message), "")
        if state in LICENCE_REASONS:
            remedy = _REMEDIES[state].format(pool=pool)
            says = f"{which} may not serve ({LICENCE_REASONS[state]}). {said}"
            yield error(Code.LICENCE_REFUSED, f"licences of pool {pool}", says.strip(), remedy)
        elif state == "ExpiresSoon":
            yield warning(
                Code.LICENCE_EXPIRES_SOON,
                f"licences of pool {pool}",
                f"{which}: {said}",
                "Ask the issuer for a renewal and put it into the Secret before that day. No restart is needed.",
            )
