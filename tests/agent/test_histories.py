"""Random histories of one node, in virtual time: the decisions against a model of cards, flash tool and admin.

The model plays what the agent's hands do with each action, as often as not unluckily, and checks after every step
what must always hold. At the end it becomes kind, and every card must get where it is wanted.
"""

from dataclasses import dataclass, field, replace
from datetime import date

from gharial_agent.cards.protocol import Card
from gharial_agent.decide.facts import CardFacts, Desired, Image, Limits, NodeFacts, Operation, Target
from gharial_agent.decide.node import decide
from gharial_agent.decide.verdict import (
    Action,
    Fail,
    Fetch,
    Flash,
    HadPower,
    Plan,
    PowerCycle,
    Succeed,
    TakeIntoService,
)
from gharial_agent.store import CardRecord, Intent, Step
from gharial_api.rollout import PowerStep
from gharial_wire.licence import Bitstream, Judgement, LicenceState
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

LIMITS = Limits(boot_seconds=60)
TARGETS = [Target("1.14.0", "a" * 64), Target("1.15.0", "b" * 64)]
VALID = Judgement(LicenceState.VALID)


@dataclass
class World:
    """One card: what it runs, what its flash memory holds (None: torn), and how it fares."""

    live: str = "1.0.0"
    flash: str | None = "1.0.0"
    on_bus: bool = True
    healthy: bool = True
    claimed: bool = False
    streams: int = 0
    licensed: bool = True
    record: CardRecord = field(default_factory=lambda: CardRecord("0000:25:00.0", "1"))


class Histories(RuleBasedStateMachine):
    whole_machine = False

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.cards = {f"{n:016x}": World() for n in range(3)}
        for world in list(self.cards.values())[:2]:  # the third one has just come from the factory
            world.record = replace(world.record, in_service=world.live)
        self.desired = Desired(TARGETS[0], True, whole_machine=self.whole_machine)
        self.image = Image()
        self.busy: Flash | PowerCycle | Fetch | None = None

    # --- what the agent does ---

    def plan(self) -> Plan:
        cards = tuple(self.facts(name, world) for name, world in self.cards.items())
        operation = None
        if self.busy is not None:
            kind = type(self.busy).__name__
            card = "" if isinstance(self.busy, Fetch) else self.busy.card_id
            operation = Operation(kind, card)  # type: ignore[arg-type]
        return decide(NodeFacts(cards, self.image, operation), self.desired, self.now, LIMITS)

    def facts(self, name: str, world: World) -> CardFacts:
        licence = VALID if world.licensed else Judgement(LicenceState.MISSING)
        bitstream = Bitstream(world.live, date(2026, 1, 1))
        sick = "" if world.healthy else "it is hung"
        card = Card(name, "0000:25:00.0", "1", bitstream, sick, 16, world.streams) if world.on_bus else None
        return CardFacts(name, world.record, card, world.claimed, licence, "", licence)

    def begin(self, action: Action) -> None:
        """The first half of an action: what is on the disk before anything happens."""
        match action:
            case Flash():
                world = self.cards[action.card_id]
                assert not world.claimed, "a card in use is flashed"
                assert world.on_bus or world.record.intent is not None, "a card that went by itself is flashed"
                assert self.image.release_date is not None, "a file that was not checked is flashed"
                begun = world.record.intent is not None and world.record.intent.step is Step.WRITING
                waiting = world.record.intent is not None and world.record.intent.step is Step.WRITTEN
                outlived = self.whole_machine and waiting
                assert self.desired.may_flash or begun or outlived, "a flash begins on Hold"
                assert not self.desired.power_may_go, "a card is written while its machine may lose its power"
                target = action.target
                intent = Intent(target.version, target.sha256, action.attempt, Step.WRITING, self.now)
                self.note(action.card_id, intent)
                world.flash = None
                self.busy = action
            case PowerCycle():
                assert not self.whole_machine, "a card is power-cycled that has no switch of its own"
                assert self.cards[action.card_id].flash is not None, "a torn flash memory is made live"
                self.step(action.card_id, Step.POWERING_OFF)
                self.busy = action
            case Fetch():
                self.busy = action
            case HadPower():
                assert self.desired.power == "TurnedOn"
                self.step(action.card_id, Step.POWERED_ON)
            case Succeed():
                world = self.cards[action.card_id]
                assert world.record.intent is not None and world.record.intent.version == world.live
                self.note(action.card_id, None)
            case Fail():
                self.step(action.card_id, Step.FAILED)
            case TakeIntoService():
                world = self.cards[action.card_id]
                world.record = replace(world.record, in_service=action.version, intent=None)

    def note(self, name: str, intent: Intent | None) -> None:
        self.cards[name].record = replace(self.cards[name].record, intent=intent)

    def step(self, name: str, step: Step) -> None:
        intent = self.cards[name].record.intent
        assert intent is not None
        failure = {"reason": "FlashFailed", "message": "It failed."} if step is Step.FAILED else {}
        self.note(name, replace(intent, step=step, time=self.now, **failure))  # type: ignore[arg-type]

    def finish(self, lucky: bool) -> None:
        """The second half of the long action under way."""
        action, self.busy = self.busy, None
        match action:
            case Fetch():
                bad = Image(reason="BitstreamUnavailable", message="No answer.", retry_at=self.now + 30)
                self.image = Image(release_date=date(2026, 1, 1)) if lucky else bad
            case Flash() if lucky:
                self.cards[action.card_id].flash = action.target.version
                self.step(action.card_id, Step.WRITTEN)
            case Flash():
                self.step(action.card_id, Step.FAILED)
            case PowerCycle():
                self.step(action.card_id, Step.POWERED_ON)
                self.boot(self.cards[action.card_id], lucky)

    def boot(self, world: World, lucky: bool) -> None:
        world.on_bus = lucky and world.flash is not None
        world.live = world.flash or ""
        world.healthy = True

    # --- what happens ---

    @rule()
    def agent_looks_and_acts(self) -> None:
        for action in self.plan().actions:
            if self.busy is None or not isinstance(action, Fetch | Flash | PowerCycle):
                self.begin(action)

    @rule(lucky=st.booleans())
    def work_ends(self, lucky: bool) -> None:
        self.finish(lucky)

    @rule(rounds=st.integers(1, 5))
    def all_goes_well_for_a_while(self, rounds: int) -> None:
        for _ in range(rounds):
            self.agent_looks_and_acts()
            self.finish(lucky=True)

    @rule(lucky=st.booleans())
    def agent_is_killed_at_work(self, lucky: bool) -> None:
        self.agent_looks_and_acts()
        self.agent_is_killed()
        if lucky:  # a flash tool outlives its agent
            for world in self.cards.values():
                intent = world.record.intent
                if intent is not None and intent.step is Step.WRITING:
                    world.flash = intent.version

    @rule()
    def agent_is_killed(self) -> None:
        self.busy = None  # whatever was under way stays as the disk and the card have it
        self.image = Image() if self.image.release_date is None else self.image

    @rule(seconds=st.sampled_from([1.0, 10.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(wanted=st.sampled_from(TARGETS), allowed=st.booleans())
    def spec_changes(self, wanted: Target, allowed: bool) -> None:
        if self.desired.target != wanted:
            self.image = Image()
            if isinstance(self.busy, Fetch):
                self.busy = None
        power = None if allowed else self.desired.power
        hold = "" if allowed else "PausedByAdmin: paused."
        self.desired = Desired(wanted, allowed, hold, self.whole_machine, power)

    @rule(number=st.integers(0, 2))
    def a_pod_comes_to_a_free_card(self, number: int) -> None:
        name = list(self.cards)[number]
        if self.plan().verdicts[name].servable:
            self.cards[name].claimed = True
            self.cards[name].streams = 2

    @rule(number=st.integers(0, 2))
    def a_pod_goes(self, number: int) -> None:
        world = list(self.cards.values())[number]
        world.claimed, world.streams = False, 0

    @rule(number=st.integers(0, 2), what=st.sampled_from(["vanish", "hang", "unlicensed", "licensed"]))
    def fate_strikes(self, number: int, what: str) -> None:
        world = list(self.cards.values())[number]
        if what == "vanish":
            world.on_bus = False
        elif what == "hang":
            world.healthy = False
        else:
            world.licensed = what == "licensed"

    @rule(number=st.integers(0, 2))
    def an_admin_power_cycles(self, number: int) -> None:
        name = list(self.cards)[number]
        if self.busy is None or isinstance(self.busy, Fetch) or self.busy.card_id != name:
            self.boot(self.cards[name], True)

    def somebody_sees_to_the_power(self) -> None:
        """Cards have their own power."""

    # --- what must hold ---

    @invariant()
    def every_card_says_where_it_stands(self) -> None:
        plan = self.plan()
        for name, verdict in plan.verdicts.items():
            world = self.cards[name]
            assert verdict.message and verdict.reason
            if verdict.servable:
                assert world.on_bus and world.healthy and world.licensed
                assert world.record.intent is None or not world.record.intent.active
                assert verdict.phase == "Ready"
        long = [a for a in plan.actions if isinstance(a, Fetch | Flash | PowerCycle)]
        assert len(long) <= (0 if self.busy else 1)

    def teardown(self) -> None:
        """From any state, kindness brings every card to its target within a bounded number of rounds."""
        self.desired = Desired(TARGETS[1], True, whole_machine=self.whole_machine)
        self.image, self.busy = Image(), None
        for world in self.cards.values():
            world.claimed, world.streams, world.licensed = False, 0, True
            if not (world.record.intent and world.on_bus) and (not world.on_bus or not world.healthy):
                self.boot(world, True)
        for _ in range(60):
            for action in self.plan().actions:
                if self.busy is None or not isinstance(action, Fetch | Flash | PowerCycle):
                    self.begin(action)
            self.finish(lucky=True)
            self.somebody_sees_to_the_power()
            self.now += 700
            for world in self.cards.values():
                if not world.healthy:
                    self.boot(world, True)
        phases = {name: (v.phase, v.reason, v.message) for name, v in self.plan().verdicts.items()}
        assert {p[0] for p in phases.values()} == {"Ready"}, phases


class MachineHistories(Histories):
    """Cards that get their power from the machine: an operator or a person takes it away and gives it back."""

    whole_machine = True

    @rule(number=st.integers(0, 2))
    def an_admin_power_cycles(self, number: int) -> None:
        """There is no switch of one card."""

    @rule(step=st.sampled_from(["Waiting", "TurningOff", "KeptOff", "TurningOn"]))
    def operator_prepares_for_power(self, step: PowerStep) -> None:
        self.desired = replace(self.desired, may_flash=False, hold_reason="PowerCycling: now.", power=step)

    @rule(lucky=st.lists(st.booleans(), min_size=3, max_size=3), told=st.booleans())
    def the_machine_is_power_cycled(self, lucky: list[bool], told: bool) -> None:
        """By a person at any moment, also in the middle of a write; or by the operator, which tells it."""
        if isinstance(self.busy, Flash):
            self.busy = None
        for world, comes_back in zip(self.cards.values(), lucky, strict=True):
            self.boot(world, comes_back)
            world.claimed, world.streams = False, 0
        if told:
            self.desired = replace(self.desired, may_flash=False, power="TurnedOn")

    @rule()
    def operator_goes_on(self) -> None:
        self.desired = replace(self.desired, power=None)

    @invariant()
    def a_card_that_waits_for_power_says_so(self) -> None:
        for name, verdict in self.plan().verdicts.items():
            if verdict.phase == "PowerCycling":
                world = self.cards[name]
                assert verdict.reason == "PowerCycleRequired" and verdict.taint == "NoSchedule"
                assert world.record.intent is not None
                assert not world.on_bus or world.live != world.record.intent.version

    def somebody_sees_to_the_power(self) -> None:
        """As the operator does it: when nothing is written any more and a card waits."""
        phases = {verdict.phase for verdict in self.plan().verdicts.values()}
        if "PowerCycling" in phases and "Flashing" not in phases:
            self.operator_prepares_for_power("Waiting")
            self.the_machine_is_power_cycled([True] * 3, told=True)
        elif self.desired.power is not None and not phases & {"Enumerating", "Validating"}:
            self.desired = replace(self.desired, may_flash=True, power=None)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMachineHistories = MachineHistories.TestCase
TestMachineHistories.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
