"""The power of whole machines: what was written to their cards becomes live when they have been off, not before.

Waiting is stored first, and with it the agent writes nothing any more. From TurningOff on the machine may be off, and
then nothing holds it up: it gets its power back whatever the pool, its admin or the operator come to meanwhile.
"""

from typing import Any

from gharial_api.conditions import Reason
from gharial_api.node import Card
from gharial_api.rollout import CONTROLLER_ANNOTATION, CORDON_ANNOTATION, MachinePowerCycle, PowerStep, RolloutState

from gharial_operator.facts import PowerAnswer
from gharial_operator.policies.cards import failed
from gharial_operator.policies.rollout.drain import AGENT_SECONDS, send_away, serves, what_stays
from gharial_operator.policies.rollout.holds import STANDSTILLS, controller_unknown, enough_left
from gharial_operator.policies.rollout.plan import Action, Cordon, Machine, Turn
from gharial_operator.policies.rollout.round import Decision, Round
from gharial_operator.policies.rollout.standing import busy_state, flashable, switching, words_while_flashing
from gharial_operator.policies.rollout.view import NodeView
from gharial_operator.power.controller import Power, Switch

#: A machine stays off for so long, so that its cards lose what they hold.
OFF_SECONDS = 10
#: A machine that was off has shown another boot id, or gone, after so long.
RESTART_SECONDS = 300
#: For a way that has begun when its pool asked for power cycles, and does not any more.
SHUTDOWN_SECONDS = 120


def power_cycle(round: Round, view: NodeView) -> Decision | None:
    """What the node's machine is to do; None when its power is not the question."""
    power = round.records[view.name].power
    if power is not None and switching(round.records[view.name]):
        return _switching(round, view, power)
    if not round.desired.whole_machine or not _waiting(view):
        return None
    if power is not None and power.step == "TurnedOn" and not _told(view, power):
        silent = _since(round, power) >= AGENT_SECONDS
        message = f"{view.name} has its power back, and its agent has not said yet what its cards run."
        return _stay(round, view, Reason.AGENT_NOT_REPORTING if silent else Reason.POWER_CYCLING, message, power)
    for step in (_writing, _lost, _drained):
        decision = step(round, view)
        if decision is not None:
            return decision
    if power is None or power.step != "Waiting":
        message = f"Cards of {view.name} are written; its agent is told to write nothing until the power is back."
        blank = MachinePowerCycle(step="Waiting", since=round.now)
        made = _at(round, view, blank, "Waiting", boot_id=view.node.boot_id, asked_boot_id=view.node.boot_id)
        return _stay(round, view, Reason.POWER_CYCLING, message, made)
    return _waits(round, view, power)


def _waiting(view: NodeView) -> list[Card]:
    """Cards that are written and not live."""
    return [card for card in view.cards if card.phase == "PowerCycling"]


def _writing(round: Round, view: NodeView) -> Decision | None:
    """A card is being written, or is next: all are written first, for one power cycle."""
    flash = "Allowed" if view.allowed else "Hold"
    busy = any(card.phase in {"Flashing", "Enumerating", "Validating"} for card in view.cards)
    waited = round.elapsed(view) if round.records[view.name].state == "PowerCycling" else 0.0
    if not busy and (not view.allowed or not _more_to_write(round, view) or waited >= AGENT_SECONDS):
        return None
    if not busy:
        round.look_in(AGENT_SECONDS - waited)
    return _stay(round, view, *words_while_flashing(view), None, state=busy_state(view), flash=flash)


def _more_to_write(round: Round, view: NodeView) -> bool:
    goal = round.goal(view)
    if goal is None or (view.agent_trouble or ("", ""))[0] in STANDSTILLS:
        return False
    behind = [card for card in view.cards if card.bitstream != goal.version and card.phase != "PowerCycling"]
    return any(flashable(card) and not failed(card, goal.version) for card in behind)


def _lost(round: Round, view: NodeView) -> Decision | None:
    """A node that is not ready has no pods that could be sent away: it is left to whoever mends or power-cycles it."""
    if view.node.ready:
        return None
    message = f"{view.name} was lost while its cards wait for a power cycle: switch it off, wait 10 s, switch it on."
    return _stay(round, view, Reason.NODE_NOT_READY, message, round.records[view.name].power)


def _drained(round: Round, view: NodeView) -> Decision | None:
    """No machine is switched off under pods; those that an uncordon let in are sent away again."""
    name, power = view.name, round.records[view.name].power
    if view.node.cordoned and not view.pods and not serves(view):
        return None
    short = enough_left(round, view)
    if short is not None:
        return _stay(round, view, short.reason, short.message, power)
    if not view.node.cordoned:
        if view.node.cordon_mark:
            message = (
                f"An admin uncordoned {name} while its cards wait for a power cycle. Let the rollout cordon it again "
                f"with: kubectl annotate node {name} {CORDON_ANNOTATION}-"
            )
            return _stay(round, view, Reason.NODE_UNCORDONED_BY_ADMIN, message, power)
        message = f"{name} is closed for new pods until its machine was power-cycled."
        return _stay(round, view, Reason.CORDONING, message, power, (Cordon(name),))
    reason, message = what_stays(view)
    return _stay(round, view, reason, message, power, send_away(round, view))


def _waits(round: Round, view: NodeView, power: MachinePowerCycle) -> Decision:
    """Nothing is written and nobody is on the machine: it may be switched off by whoever does that."""
    name = view.name
    if view.node.boot_id != power.asked_boot_id:
        message = f"{name} was restarted; its agent is asked what its cards run now."
        asked = _at(round, view, power, "Waiting", asked_boot_id=view.node.boot_id)
        return _stay(round, view, Reason.POWER_CYCLING, message, asked)
    if not _told(view, power):
        silent = _since(round, power) >= AGENT_SECONDS
        message = f"The agent of {name} has not said yet what its cards run and that it writes nothing any more."
        return _stay(round, view, Reason.AGENT_NOT_REPORTING if silent else Reason.POWER_CYCLING, message, power)
    restarted = view.node.boot_id != power.boot_id
    here = [card for card in _waiting(view) if card.bitstream]
    if restarted and not here:
        message = f"{name} has started anew; its cards are looked for."
        return _stay(round, view, Reason.POWER_CYCLING, message, _at(round, view, power, "TurnedOn"))
    policy = round.desired.policy.power_cycle
    if policy is None or policy.provider == "manual" or policy.secret_ref is None:
        seen = f"{name} was restarted, and {here[0].pci_address} still runs {here[0].bitstream}: " if restarted else ""
        message = f"{seen}power-cycle {name} (a reboot is not enough): switch it off, wait 10 s, switch it on."
        return _stay(round, view, Reason.POWER_CYCLE_REQUIRED, message, power)
    if not view.node.controller:
        return _stay(round, view, *controller_unknown(name), power)
    machine = Machine(view.node.controller, policy.secret_ref.name)
    return _asks_first(round, view, power, machine)


def _asks_first(round: Round, view: NodeView, power: MachinePowerCycle, machine: Machine) -> Decision:
    """A machine is only switched off by a controller that answers, and that speaks of this machine."""
    round.machines[view.name] = machine
    answer = _fresh(view, power)
    if answer is None or answer.power is Power.CHANGING:
        message = f"{machine.controller} is asked how {view.name} is before its power is taken away."
        late = _since(round, power) >= RESTART_SECONDS
        return _stay(round, view, Reason.POWER_CONTROLLER_FAILED if late else Reason.POWER_CYCLING, message, power)
    if answer.power is None:
        return _stay(round, view, Reason.POWER_CONTROLLER_FAILED, _trouble(view, answer), power)
    if answer.power is Power.OFF:
        message = (
            f"{machine.controller} says that {view.name} is off, and {view.name} is ready: it speaks of another "
            f"machine. Mend the annotation {CONTROLLER_ANNOTATION} of the Node."
        )
        return _stay(round, view, Reason.POWER_CONTROLLER_FAILED, message, power)
    found = {"controller": machine.controller, "secret": machine.secret, "boot_id": view.node.boot_id}
    next_step = _at(round, view, power, "TurningOff", **found)
    return _stay(round, view, Reason.POWER_CYCLING, f"{view.name} is told to shut down.", next_step)


def _switching(round: Round, view: NodeView, power: MachinePowerCycle) -> Decision:
    """The machine is on its way; the present address of its controller counts, else the one that was asked before."""
    policy = round.desired.policy.power_cycle
    secret = policy.secret_ref.name if policy and policy.secret_ref else power.secret
    round.machines[view.name] = Machine(view.node.controller or power.controller, secret)
    answer = _fresh(view, power)
    if power.step == "TurningOff":
        return _turning_off(round, view, power, answer)
    if power.step == "KeptOff":
        return _kept_off(round, view, power, answer)
    return _turning_on(round, view, power, answer)


def _turning_off(round: Round, view: NodeView, power: MachinePowerCycle, answer: PowerAnswer | None) -> Decision:
    name, policy = view.name, round.desired.policy.power_cycle
    if answer is not None and answer.power is Power.OFF:
        message = f"{name} is off, and stays so for {OFF_SECONDS} s."
        return _stay(round, view, Reason.POWER_CYCLING, message, _at(round, view, power, "KeptOff"))
    held_up = _in_the_way(round, view)
    if held_up is not None:
        reason, message, actions = held_up
        return _stay(round, view, reason, message, power, actions)
    seconds = policy.shutdown_seconds if policy else SHUTDOWN_SECONDS
    late = _since(round, power) >= seconds
    if not late:
        round.look_in(seconds - _since(round, power))
    turn = Turn(name, Switch.CUT if late else Switch.SHUT_DOWN)
    message = f"{name} is told to shut down; its power is cut after {seconds} s."
    if late:
        message = f"{name} did not shut down within {seconds} s: its power is cut."
    return _asked(round, view, answer, message, power, turn, seconds + RESTART_SECONDS)


def _in_the_way(round: Round, view: NodeView) -> tuple[Reason, str, tuple[Action, ...]] | None:
    """Pods that came to a machine that is still on, as an uncordon let them, or a write that nobody allowed."""
    if view.node.ready and any(card.phase == "Flashing" for card in view.cards):
        return Reason.FLASHING, f"A card of {view.name} is being written; its power stays until that is done.", ()
    if not view.node.cordoned:
        return Reason.CORDONING, f"{view.name} is about to lose its power, and closed again.", (Cordon(view.name),)
    # Pods that were asked to go are waited for while there is a kubelet that ends them.
    if all(pod.terminating for pod in view.pods) and not (view.pods and view.node.ready):
        return None
    reason, message = what_stays(view)
    return reason, message, send_away(round, view)


def _kept_off(round: Round, view: NodeView, power: MachinePowerCycle, answer: PowerAnswer | None) -> Decision:
    on_again = answer is not None and answer.power is Power.ON
    if on_again or _since(round, power) >= OFF_SECONDS:
        message = f"{view.name} is switched on."
        return _stay(round, view, Reason.POWER_CYCLING, message, _at(round, view, power, "TurningOn"))
    round.look_in(OFF_SECONDS - _since(round, power))
    return _stay(round, view, Reason.POWER_CYCLING, f"{view.name} is off, and stays so for {OFF_SECONDS} s.", power)


def _turning_on(round: Round, view: NodeView, power: MachinePowerCycle, answer: PowerAnswer | None) -> Decision:
    """On is what its controller says or, better, what the node itself shows."""
    name = view.name
    restarted = view.node.ready and view.node.boot_id != power.boot_id
    on = answer is not None and answer.power is Power.ON
    waited = _since(round, power)
    # A node that the pool lets go of need not come back: then the word of the controller is enough, in the end.
    let_go = view.leaving and (view.node.deleted or waited >= RESTART_SECONDS)
    if restarted or (on and let_go):
        message = f"{name} has started anew; its cards are looked for."
        return _stay(round, view, Reason.POWER_CYCLING, message, _at(round, view, power, "TurnedOn"))
    if not on:
        message = f"{name} is switched on."
        return _asked(round, view, answer, message, power, Turn(name, Switch.TURN_ON), RESTART_SECONDS)
    if waited < RESTART_SECONDS:
        round.look_in(RESTART_SECONDS - waited)
        return _stay(round, view, Reason.POWER_CYCLING, f"{name} has its power back and is starting.", power)
    if view.node.ready:
        message = (
            f"{power.controller} said that {name} was off, and {name} has not been restarted: it speaks of another "
            f"machine. Power-cycle {name} by hand, and mend the annotation {CONTROLLER_ANNOTATION} of the Node."
        )
        return _stay(round, view, Reason.POWER_CONTROLLER_FAILED, message, power)
    message = f"{name} has its power back, says its controller, and has not come back: look at its console."
    return _stay(round, view, Reason.NODE_NOT_READY, message, power)


def _asked(
    round: Round,
    view: NodeView,
    answer: PowerAnswer | None,
    message: str,
    power: MachinePowerCycle,
    turn: Turn,
    patience: float,
) -> Decision:
    """The switch is asked for, also of a controller that gives trouble or does nothing: it may be well again."""
    if answer is not None and answer.power is None:
        return _stay(round, view, Reason.POWER_CONTROLLER_FAILED, _trouble(view, answer), power, (turn,))
    left = patience - _since(round, power)
    if left <= 0:
        message = (
            f"{power.controller} was asked, and nothing has happened to the power of {view.name} for {patience:.0f} s. "
            "It is asked again; look at the controller, or see to the machine by hand."
        )
        return _stay(round, view, Reason.POWER_CONTROLLER_FAILED, message, power, (turn,))
    round.look_in(left)
    return _stay(round, view, Reason.POWER_CYCLING, message, power, (turn,))


def _trouble(view: NodeView, answer: PowerAnswer) -> str:
    return f"The power controller of {view.name}: {answer.trouble}. It is asked again."


def _fresh(view: NodeView, power: MachinePowerCycle) -> PowerAnswer | None:
    """What the controller said since the step was reached: older words may be of another power cycle."""
    return view.power if view.power is not None and view.power.time >= power.since else None


def _since(round: Round, power: MachinePowerCycle) -> float:
    return (round.now - power.since).total_seconds()


def _told(view: NodeView, power: MachinePowerCycle) -> bool:
    """Whether the agent has acted on the step."""
    return view.card_node is not None and view.card_node.status.observed_generation >= power.generation


def _at(round: Round, view: NodeView, power: MachinePowerCycle, step: PowerStep, **fields: str) -> MachinePowerCycle:
    """The step, as the next write will store it."""
    generation = view.card_node.metadata.generation + 1 if view.card_node else 1
    reached = {"step": step, "since": round.now.replace(microsecond=0), "generation": generation}
    return power.model_copy(update={**reached, **fields})


def _stay(
    round: Round,
    view: NodeView,
    reason: Reason,
    message: str,
    power: MachinePowerCycle | None,
    actions: tuple[Action, ...] = (),
    *,
    state: RolloutState = "PowerCycling",
    flash: Any = "Hold",
) -> Decision:
    plan = round.plan(view, state, reason, message, flash=flash, changes={"power": power})
    return Decision(plan, actions, moving=True)
