"""Where one card stands: an ordered chain of rules, the first that knows an answer gives it.

Principles: a write that has begun is finished whatever the spec says meanwhile; a card in use is never touched; a card
that serves goes on serving with the bitstream it has until it may really be flashed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gharial_api.conditions import Reason
from gharial_api.node import LICENCE_REASONS
from gharial_wire.licence import LicenceState

from gharial_agent.decide.facts import CardFacts, Desired, Image, Limits, Operation, Target
from gharial_agent.decide.verdict import (
    Action,
    Fail,
    Fetch,
    Flash,
    HadPower,
    PowerCycle,
    Succeed,
    Taint,
    TakeIntoService,
    Verdict,
)
from gharial_agent.store import Intent, Step

#: States in which flashing the target would take a card out of service for good.
TOO_NEW = {LicenceState.VERSION_EXCEEDED, LicenceState.RELEASE_DATE_EXCEEDED}


@dataclass(frozen=True)
class Case:
    """Everything that the rules on one card look at. now: seconds since 1970."""

    facts: CardFacts
    desired: Desired
    image: Image
    operation: Operation | None
    limits: Limits
    now: float

    @property
    def name(self) -> str:
        return f"Card {self.facts.unique_id} at {self.facts.record.pci_address}"

    @property
    def intent(self) -> Intent | None:
        return self.facts.record.intent

    @property
    def live(self) -> str:
        """Version that the card runs, empty while it is off the bus or does not tell."""
        return self.facts.live.version if self.facts.live else ""

    @property
    def waits_for_power(self) -> Intent | None:
        """What was written and is not live yet."""
        steps = {Step.WRITTEN, Step.POWERING_OFF}
        return self.intent if self.intent is not None and self.intent.step in steps else None

    @property
    def outdated(self) -> Target | None:
        """The target, when the card does not run it."""
        target = self.desired.target
        return target if target is not None and target.version != self.live else None

    @property
    def failed(self) -> Intent | None:
        """The last attempt at the present target, when it failed."""
        intent, target = self.intent, self.desired.target
        if intent is None or target is None or intent.step is not Step.FAILED or intent.sha256 != target.sha256:
            return None
        return intent

    def wait(self, reason: str, message: str, action: Action | None = None) -> Verdict:
        """An outdated card waits: it serves on when it is in service with what it runs, else no pod gets it."""
        in_service = self.live != "" and self.facts.record.in_service == self.live
        if in_service and self.facts.licence.state.allows_running:
            return Verdict("Ready", reason, message, Taint.NONE, action)
        return Verdict("Pending", reason, message, Taint.NO_EXECUTE if in_service else Taint.NO_SCHEDULE, action)


def under_operation(case: Case) -> Verdict | None:
    """The agent is at work on this card."""
    operation = case.operation
    if operation is None or operation.card_id != case.facts.unique_id:
        return None
    if operation.kind == "PowerCycle":
        return Verdict("PowerCycling", Reason.FLASHING, f"{case.name} is being power-cycled.", Taint.NO_SCHEDULE)
    version = case.intent.version if case.intent else ""
    note = f" ({operation.note})" if operation.note else ""
    message = f"{case.name}: bitstream {version} is being written, {operation.progress} %{note}."
    if operation.heard and case.now - operation.heard > case.limits.silence_seconds:
        # The moment instead of a duration: a sentence that stays the same is written once.
        since = datetime.fromtimestamp(operation.heard, UTC)
        message += (
            f" The flash tool has said nothing since {since:%H:%M:%S} UTC. It is never killed: look at the JTAG cable "
            "and the tool's log on the node."
        )
        return Verdict("Flashing", Reason.FLASH_TOOL_SILENT, message, Taint.NO_SCHEDULE)
    return Verdict("Flashing", Reason.FLASHING, message, Taint.NO_SCHEDULE)


def half_written(case: Case) -> Verdict | None:
    """An agent died while it wrote: the flash memory must be written again before anything else, also on Hold."""
    intent, target = case.intent, case.desired.target
    if intent is None or intent.step is not Step.WRITING:
        return None
    if target is None:
        message = f"{case.name} was left half-written with {intent.version}: put the bitstream back into the pool."
        return Verdict("Failed", Reason.FLASH_FAILED, message, Taint.NO_SCHEDULE)
    attempt = intent.attempt if intent.sha256 == target.sha256 else 1
    message = f"{case.name} was left half-written with {intent.version}: {target.version} is being written anew."
    return write_anew(case, target, attempt, message)


def write_anew(case: Case, target: Target, attempt: int, message: str) -> Verdict:
    """The flash memory must be written before the card gets new power, with or without the operator's leave."""
    if case.desired.power_may_go:
        message = f"{message} That waits until the machine has its power back."
        return Verdict("Flashing", Reason.FLASHING, message, Taint.NO_SCHEDULE)
    if case.image.release_date is None:
        return Verdict(
            "Flashing", Reason.FLASHING, f"{message} {case.image.message}".strip(), Taint.NO_SCHEDULE, fetch(case)
        )
    action = Flash(case.facts.unique_id, target, attempt)
    return Verdict("Flashing", Reason.FLASHING, message, Taint.NO_SCHEDULE, free_hands(case, action))


def power_cycled(case: Case) -> Verdict | None:
    """The machine had to be power-cycled, and was: by the operator, which says so, or by a person, which shows."""
    intent = case.waits_for_power
    if intent is None or not case.desired.whole_machine:
        return None
    card_id = case.facts.unique_id
    if case.live == intent.version:
        message = f"{case.name} came back with {case.live}."
        return Verdict("Validating", Reason.FLASHING, message, Taint.NO_SCHEDULE, Succeed(card_id))
    if case.desired.power != "TurnedOn":
        return None
    message = f"{case.name} had no power and has it back."
    return Verdict("Enumerating", Reason.FLASHING, message, Taint.NO_SCHEDULE, HadPower(card_id))


def no_longer_wanted(case: Case) -> Verdict | None:
    """The next power cycle would make live what nobody wants any more: it is written over before."""
    intent, target = case.waits_for_power, case.desired.target
    if intent is None or not case.desired.whole_machine or target is None or intent.sha256 == target.sha256:
        return None
    if case.desired.power_goes:
        return None
    message = f"{case.name} was written with {intent.version}, and {target.version} is wanted now: it is written anew."
    return write_anew(case, target, 1, message)


def waits_for_power(case: Case) -> Verdict | None:
    """What was written is whole, and becomes live with the power cycle of the whole machine."""
    intent = case.waits_for_power
    if intent is None or not case.desired.whole_machine:
        return None
    why = "" if case.desired.may_flash else case.desired.hold_reason
    message = (
        f"{case.name}: {intent.version} is written and verified, and waits for a power cycle of its machine. {why}"
    )
    return Verdict("PowerCycling", Reason.POWER_CYCLE_REQUIRED, message.strip(), Taint.NO_SCHEDULE)


def written(case: Case) -> Verdict | None:
    """What lies in the flash memory is whole: make it live."""
    intent = case.waits_for_power
    if intent is None:
        return None
    action = free_hands(case, PowerCycle(case.facts.unique_id))
    message = f"{case.name}: {intent.version} is written and verified; a power cycle makes it live."
    return Verdict("PowerCycling", Reason.POWER_CYCLE_REQUIRED, message, Taint.NO_SCHEDULE, action)


def powered_on(case: Case) -> Verdict | None:
    """The power came back: does the card, and with what?"""
    intent = case.intent
    if intent is None or intent.step is not Step.POWERED_ON:
        return None
    card_id = case.facts.unique_id
    if case.facts.card is None:
        waited = case.now - intent.time
        if waited < case.limits.boot_seconds:
            message = f"{case.name} has had its power back for {waited:.0f} s and is not on the bus yet."
            return Verdict("Enumerating", Reason.FLASHING, message, Taint.NO_SCHEDULE)
        message = f"{case.name} did not come back within {case.limits.boot_seconds:.0f} s of its power cycle."
        fail = Fail(card_id, Reason.CARD_NOT_ENUMERATED, message)
        return Verdict("Failed", Reason.CARD_NOT_ENUMERATED, message, Taint.NO_SCHEDULE, fail)
    if case.live != intent.version:
        message = f"{case.name} came back with {case.live} although {intent.version} was written and verified."
        fail = Fail(card_id, Reason.FLASH_FAILED, message)
        return Verdict("Failed", Reason.FLASH_FAILED, message, Taint.NO_SCHEDULE, fail)
    message = f"{case.name} came back with {case.live}."
    return Verdict("Validating", Reason.FLASHING, message, Taint.NO_SCHEDULE, Succeed(card_id))


def off_the_bus(case: Case) -> Verdict | None:
    """The card is gone, and not by our doing; one that a failed flash left behind may be flashed again."""
    left_by_a_flash = case.intent is not None and case.desired.target is not None
    if case.facts.card is not None or left_by_a_flash:
        return None
    message = (
        f"{case.name} is missing on the PCI bus. Power-cycle it; if it stays away, look at its seat and its power."
    )
    return Verdict("Failed", Reason.CARD_NOT_ENUMERATED, message, Taint.NO_EXECUTE)


def unhealthy(case: Case) -> Verdict | None:
    """The card fails its health check."""
    if case.facts.card is None or not case.facts.card.health_message:
        return None
    message = f"{case.name} is unhealthy: {case.facts.card.health_message}."
    return Verdict("Failed", Reason.CARD_UNHEALTHY, message, Taint.NO_EXECUTE)


def up_to_date(case: Case) -> Verdict | None:
    """The card runs what is wanted: it may serve, if it is licensed."""
    if case.outdated is not None or case.facts.card is None:
        return None
    state = case.facts.licence.state
    if not state.allows_running:
        # The card takes no new stream. Its pod goes: live streams end in their own time, new ones find another pod.
        message = f"{case.name}: {case.facts.licence_message}"
        return Verdict("Pending", LICENCE_REASONS[state.value], message, Taint.NO_EXECUTE)
    settled = case.facts.record.in_service == case.live and case.intent is None
    action = None if settled else TakeIntoService(case.facts.unique_id, case.live)
    message = f"{case.name} runs {case.live} and is licensed."
    return Verdict("Ready", Reason.AS_EXPECTED, message, Taint.NONE, action)


def without_image(case: Case) -> Verdict | None:
    """The wanted bitstream is not on the node, or is not what the spec says."""
    if case.image.release_date is not None:
        return None
    if case.image.reason:
        return case.wait(case.image.reason, case.image.message, fetch(case))
    message = f"{case.name} waits for its bitstream, which is being fetched."
    return case.wait(Reason.WAITING_FOR_CARDS, message, fetch(case))


def licence_too_old(case: Case) -> Verdict | None:
    """Flashing would put the card out of service: its licence does not cover the target."""
    judgement = case.facts.target_licence
    if judgement is None or judgement.state not in TOO_NEW or judgement.licence is None:
        return None
    licence, target = judgement.licence, case.desired.target
    version = target.version if target else ""
    if judgement.state is LicenceState.VERSION_EXCEEDED:
        limit = f"covers bitstreams up to {licence.max_version}, and the pool wants {version}"
    else:
        released = f"{version} was released on {case.image.release_date}"
        limit = f"covers bitstreams released up to {licence.max_release_date}, and {released}"
    message = f"{case.name} is not flashed: its licence {limit}. Ask the issuer for a newer licence."
    return case.wait(LICENCE_REASONS[judgement.state.value], message)


def held(case: Case) -> Verdict | None:
    """The operator says when; until then a card that serves goes on."""
    if case.desired.may_flash and not case.desired.power_may_go:
        return None
    why = case.desired.hold_reason or "the pool's rollout has not come to this node"
    message = f"{case.name} waits for its new bitstream: {why}"
    if case.failed is not None:
        failed = f"{message} The last attempt failed: {case.failed.message}"
        return Verdict("Failed", case.failed.reason, failed, Taint.NO_SCHEDULE)
    return case.wait(Reason.WAITING_FOR_CARDS, message)


def in_use(case: Case) -> Verdict | None:
    """A pod holds the card. One that serves streams is waited for; an idle one is sent away, as the operator let us."""
    if not case.facts.claimed:
        return None
    streams = case.facts.card.streams_used if case.facts.card else 0
    if streams or streams is None:  # a card that does not tell is not taken from a pod
        message = f"{case.name} serves streams of a pod; it is flashed when they have ended and the pod is gone."
        return Verdict("WaitingForStreams", Reason.WAITING_FOR_STREAMS, message, Taint.NO_SCHEDULE)
    message = f"{case.name} is held by a pod without streams, which is sent away before the card is flashed."
    return Verdict("WaitingForStreams", Reason.WAITING_FOR_STREAMS, message, Taint.NO_EXECUTE)


def after_failure(case: Case) -> Verdict | None:
    """A failed attempt is repeated after a pause; the operator says when it is enough."""
    failed = case.failed
    if failed is None:
        return None
    pause = failed.time + case.limits.pause_after(failed.attempt) - case.now
    if pause <= 0:
        return None
    message = f"{failed.message} Attempt {failed.attempt + 1} follows."
    return Verdict("Failed", failed.reason, message, Taint.NO_SCHEDULE)


def to_be_flashed(case: Case) -> Verdict:
    """Nothing stands in the way."""
    target = case.desired.target
    assert target is not None, "a card without a target is never outdated"
    attempt = case.failed.attempt + 1 if case.failed else 1
    action = free_hands(case, Flash(case.facts.unique_id, target, attempt))
    turn = "is next to get" if action else "waits its turn for"
    message = f"{case.name} {turn} bitstream {target.version}; cards are flashed one at a time."
    return Verdict("Pending", Reason.WAITING_FOR_CARDS, message, Taint.NO_SCHEDULE, action)


def fetch(case: Case) -> Action | None:
    """Fetch the target now, if it is time and nothing else is under way."""
    if case.desired.target is None or case.now < case.image.retry_at:
        return None
    return free_hands(case, Fetch(case.desired.target))


def free_hands(case: Case, action: Action) -> Action | None:
    """The action, unless the agent is at work already."""
    return action if case.operation is None else None


RULES: tuple[Callable[[Case], Verdict | None], ...] = (
    under_operation,
    half_written,
    power_cycled,
    no_longer_wanted,
    waits_for_power,
    written,
    powered_on,
    off_the_bus,
    unhealthy,
    up_to_date,
    without_image,
    licence_too_old,
    held,
    in_use,
    after_failure,
)


def judge_card(case: Case) -> Verdict:
    """The first rule's answer."""
    for rule in RULES:
        verdict = rule(case)
        if verdict is not None:
            return verdict
    return to_be_flashed(case)
