"""The cluster in memory, with machines whose power is switched: cards get new bitstreams live by nothing else.

Agents hold to what `gharial_agent.decide` does: nothing is written while the machine may lose its power. Controllers
fail, answer nothing, ignore what they are asked for, or belong to another machine.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from gharial_api.node import LastFlash, NodeStatus
from gharial_api.rollout import SWITCHING
from gharial_operator.facts import NodeFacts, PowerAnswer
from gharial_operator.policies.rollout import Desired, NodeView, Plan, rollout
from gharial_operator.policies.rollout.drain import leave
from gharial_operator.policies.rollout.plan import Action, Cordon, Label, Machine, Tell, Turn, Uncordon, Unmark
from gharial_operator.policies.rollout.standing import switching
from gharial_operator.power.controller import Power, Switch
from rollout_world import AGENT_PAUSE, SimCard, SimNode, SimPod, World, bitstream

Mood = Literal["well", "fails", "silent", "deaf", "another machine's"]
#: Steps in which the machine may lose its power at any moment.
UNSAFE = {"Waiting", "TurningOff", "KeptOff", "TurningOn"}


@dataclass
class SimMachine:
    """A node's machine. boot: how often it has started; ghost: power of the machine that its controller really has."""

    on: bool = True
    boot: int = 0
    mood: Mood = "well"
    named: bool = True
    ghost: bool = True
    lost: bool = False


@dataclass
class Memory:
    """A card's flash memory. holds: a version, empty when torn. lost: how many more times it does not come back."""

    holds: str
    in_write: bool = False
    lost: int = 0


@dataclass
class Keeper:
    """What the operator's process knows of controllers; gone when it dies."""

    machines: dict[str, Machine] = field(default_factory=dict)
    wishes: dict[str, Switch] = field(default_factory=dict)
    answers: dict[str, PowerAnswer] = field(default_factory=dict)


class PowerWorld(World):
    """Nodes whose cards have no switch of their own."""

    def __init__(self, nodes: int, cards: int) -> None:
        super().__init__(nodes, cards)
        self.machines = {name: SimMachine() for name in self.nodes}
        self.memories = {id(card): Memory(card.version) for node in self.nodes.values() for card in node.cards}
        self.keeper = Keeper()
        self.cycles = 0
        #: Nodes whose AsrCardNode was deleted and is held by its finalizer, and those whose Node was deleted.
        self.doomed: set[str] = set()
        self.unknown: set[str] = set()

    # What the operator sees and does.

    def desired(self) -> Desired:
        return Desired("cards", bitstream(self.target), self.policy, self.health, self.deleted, whole_machine=True)

    def facts(self, node: SimNode) -> NodeFacts:
        machine = self.machines[node.name]
        if node.name in self.unknown:
            return NodeFacts(node.name, {}, ready=False, cordoned=True, deleted=True)
        address = f"https://{node.name}" if machine.named else ""
        return replace(super().facts(node), boot_id=str(machine.boot), controller=address)

    def views(self) -> list[NodeView]:
        return [self.view(node, node.name in self.unknown) for node in self.nodes.values() if self.is_seen(node)]

    def is_seen(self, node: SimNode) -> bool:
        """Whether the operator looks at a node: of one whose Node is gone it does while the machine may be off."""
        return node.name not in self.unknown or (node.spec is not None and switching(node.spec.rollout))

    def view(self, node: SimNode, leaving: bool = False) -> NodeView:
        """One node as the operator sees it."""
        answer = self.keeper.answers.get(node.name)
        return NodeView(self.facts(node), self.card_node(node), self.pods_of(node), answer, leaving)

    def parting(self) -> Plan:
        """What is decided while the pool goes: only nodes whose machines may be off are held on to."""
        kept = [node for node in self.nodes.values() if node.spec is not None and switching(node.spec.rollout)]
        plan = rollout([self.view(node, leaving=True) for node in kept], self.desired(), self.now)
        known = [node for node in self.nodes.values() if node not in kept and node.name not in self.unknown]
        rest = leave([self.facts(node) for node in known], "cards")
        return Plan(plan.nodes, (*plan.actions, *rest), machines=plan.machines)

    def keep(self, plan: Plan) -> None:
        """What the operator's process does at the end of a round."""
        known = self.keeper
        known.machines = dict(plan.machines)
        known.wishes = {action.node: action.switch for action in plan.actions if isinstance(action, Turn)}
        known.answers = {name: answer for name, answer in known.answers.items() if name in known.machines}

    def operator_forgets(self) -> None:
        """The process has died."""
        self.keeper = Keeper()

    def act(self, action: Action) -> None:
        match action:
            case Turn():
                return
            case Cordon(name) | Uncordon(name) | Unmark(name) | Label(name, _, _) if name in self.unknown:
                raise AssertionError(f"{action} of a Node that is gone")
        super().act(action)
        if isinstance(action, Tell) and action.plan.node in self.doomed and not switching(action.plan.record):
            self.forget_card_node(action.plan.node)

    def forget_card_node(self, name: str) -> None:
        """The AsrCardNode has gone, and with it what was stored of the node's way."""
        node = self.nodes[name]
        node.spec, node.read, node.generation, node.status = None, None, 0, NodeStatus()
        self.doomed.discard(name)

    def delete_card_node(self, name: str) -> None:
        """Somebody deletes it: at rest, or while the machine may be off, when its finalizer holds it.

        Not in the middle of a write: a node that an admin uncordons, too, would count as in service for a moment.
        """
        node = self.nodes[name]
        if node.spec is not None and switching(node.spec.rollout):
            self.doomed.add(name)
        elif not node.busy and not node.cordoned_by:
            self.forget_card_node(name)

    def delete_node(self, name: str) -> None:
        """Somebody deletes the Node of a machine that is off; its pods go with it, and its kubelet makes it anew."""
        node, machine = self.nodes[name], self.machines[name]
        # Where also the controller speaks of another machine, nobody can know what becomes of this one.
        if machine.on or machine.mood == "another machine's":
            return
        self.unknown.add(name)
        node.cordoned_by, node.mark, node.ready = "", "", False
        node.labels.clear()
        self.pods = {uid: pod for uid, pod in self.pods.items() if pod.node != name}

    # What controllers and machines do.

    def controller_is_asked(self, name: str) -> None:
        """The operator's process asks the machine's controller for what it wishes, and how the machine is."""
        machine, wish = self.machines[name], self.keeper.wishes.get(name)
        if name not in self.keeper.machines or machine.mood == "silent":
            return
        if machine.mood == "fails":
            self.keeper.answers[name] = PowerAnswer(None, f"https://{name} failed with status 500", self.now)
            return
        if machine.mood == "another machine's":
            machine.ghost = machine.ghost if wish is None else wish is Switch.TURN_ON
            self.keeper.answers[name] = PowerAnswer(_power(machine.ghost), "", self.now)
            return
        if machine.mood == "well" and wish is not None:
            self.switch(name, wish is Switch.TURN_ON)
        self.keeper.answers[name] = PowerAnswer(_power(machine.on), "", self.now)

    def a_stranger_starts(self, name: str) -> None:
        """A pod that holds no card, where the scheduler may put one."""
        node = self.nodes[name]
        if node.ready and self.machines[name].on and not node.cordoned_by:
            self._pods_made += 1
            self.pods[f"p{self._pods_made}"] = SimPod(f"p{self._pods_made}", name)

    def switch(self, name: str, on: bool) -> None:
        """The machine's power changes, by the operator's wish or by a person's hand."""
        machine, node = self.machines[name], self.nodes[name]
        if machine.on == on:
            return
        machine.on = on
        if on:
            machine.boot += 1
            self.cycles += 1
            for card in node.cards:
                self._boot(card)
            return
        for pod in [pod for pod in self.pods.values() if pod.node == name]:
            del self.pods[pod.uid]
        for card in node.cards:
            memory = self.memories[id(card)]
            memory.holds, memory.in_write = "" if memory.in_write else memory.holds, False

    def restart(self, name: str) -> None:
        """A person reboots the machine: its cards keep their power, and what they run."""
        if self.machines[name].on:
            self.machines[name].boot += 1

    def kubelets_are_heard(self) -> None:
        """What Kubernetes has noticed of machines that are off, or on again."""
        for node in self.nodes.values():
            node.ready = self.machines[node.name].on and not self.machines[node.name].lost
            if node.ready:
                self.unknown.discard(node.name)

    def _boot(self, card: SimCard) -> None:
        memory = self.memories[id(card)]
        memory.lost, gone = max(0, memory.lost - 1), memory.lost > 0
        card.version = "" if gone else memory.holds

    # What agents do.

    def agent_reads(self, node: SimNode) -> None:
        if not self.machines[node.name].on or not node.agent_alive or not node.ready or node.spec is None:
            return
        node.read = node.spec
        for card in node.cards:
            self._judge(node, card)
        self._report(node, node.generation)

    def agent_works(self, node: SimNode) -> None:
        if not self.machines[node.name].on:
            return
        order = node.read
        if not (node.agent_alive and node.ready) or order is None or order.bitstream is None:
            return
        step = order.rollout.power.step if order.rollout.power else None
        busy = next((c for c in node.cards if c.phase in {"Flashing", "Enumerating", "Validating"}), None)
        if busy is not None:
            self._one_step(busy, order.bitstream.version, safe=step not in UNSAFE)
        elif order.flash == "Allowed" and not any(pod.node == node.name for pod in self.pods.values()):
            assert step is None, "a permission goes with no power cycle"
            self._start(node, order.bitstream.version)
        for card in node.cards:
            self._judge(node, card)
        self._report(node, node.status.observed_generation)

    def _judge(self, node: SimNode, card: SimCard) -> None:
        """A written card: is it live, had it power, is it wanted still?"""
        order = node.read
        if card.phase != "PowerCycling" or order is None:
            return
        step = order.rollout.power.step if order.rollout.power else None
        if card.version == card.writing:
            card.phase = "Validating"
        elif step == "TurnedOn":
            card.phase = "Enumerating"
        elif step not in SWITCHING and order.bitstream is not None and order.bitstream.version != card.writing:
            card.phase, card.attempt = "Flashing", 1
            self.memories[id(card)].in_write = False
            card.last = LastFlash(attempt=1, result="Running", time=self.now, version=card.writing)

    def _start(self, node: SimNode, version: str) -> None:
        for card in node.cards:
            failed = card.last is not None and card.last.result == "Failed"
            pausing = failed and card.last is not None and (self.now - card.last.time).total_seconds() < AGENT_PAUSE
            if card.version != version and card.phase != "PowerCycling" and not card.dead and not pausing:
                card.attempt = card.attempt + 1 if card.writing == version else 1
                card.phase, card.writing = "Flashing", version
                card.last = LastFlash(attempt=card.attempt, result="Running", time=self.now, version=version)
                self.memories[id(card)].in_write = True
                return

    def _one_step(self, card: SimCard, wanted: str, safe: bool) -> None:
        memory = self.memories[id(card)]
        if card.phase == "Enumerating":
            card.phase = "Validating"
        elif card.phase == "Validating":
            self._end(card, card.version == card.writing)
        elif memory.in_write:
            memory.in_write, memory.holds = False, "" if card.failures else card.writing
            if card.failures:
                card.failures -= 1
                self._end(card, False)
            else:
                card.phase = "PowerCycling"
        elif safe:  # half-written, or written with what nobody wants any more: anew
            card.writing, memory.in_write, memory.holds = wanted, True, ""

    def _end(self, card: SimCard, well: bool) -> None:
        result: Literal["Succeeded", "Failed"] = "Succeeded" if well else "Failed"
        card.last = LastFlash(attempt=card.attempt, result=result, time=self.now, version=card.writing)
        card.phase = "Ready" if well else "Failed"


def _power(on: bool) -> Power:
    return Power.ON if on else Power.OFF
