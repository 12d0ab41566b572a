"""Random histories of machines that are power-cycled: none is left off, none is cut off under pods or a write.

They are the histories of `test_rollout_histories.py`, with cards that get their power from the machine, and with
controllers, persons and reboots that do what they like.
"""

from typing import Any, get_args

import pytest
from gharial_api.upgrade import MachinePower
from gharial_operator.policies.rollout import NodePlan
from gharial_operator.policies.rollout.plan import Action, Cordon, Evict, Tell, Turn
from gharial_operator.power.controller import Switch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from power_world import Mood, PowerWorld
from rollout_histories import Histories, beginnings, policies, some_node
from rollout_world import SimNode, World

POWER_STOPS = {"PowerCycleRequired", "PowerControllerFailed", "PowerControllerUnknown"}
REDFISH = {"provider": "redfish", "secret_ref": {"name": "bmc"}, "shutdown_seconds": 60}
providers = st.sampled_from([REDFISH, REDFISH, REDFISH, {"provider": "manual"}, None])
moods = st.sampled_from(("well", *get_args(Mood)))


class PowerHistories(Histories):
    """Promises are checked where an order reaches the cluster."""

    world: PowerWorld

    def new_world(self, nodes: int, cards: int) -> World:
        return PowerWorld(nodes, cards)

    @initialize(**beginnings, provider=providers)
    def begin(self, provider: dict[str, Any] | None, **beginning: Any) -> None:
        super().begin(**beginning)
        self.admin_changes_the_provider(provider)

    # The operator, its controllers and its deaths.

    def operator_works(self) -> None:
        plan = self.world.plan() if not self.world.deleted else self.world.parting()
        for action in plan.actions:
            self.obey(action)
        self.world.keep(plan)
        for name in self.world.unknown - set(plan.nodes):
            self.world.forget_card_node(name)

    def orders(self) -> tuple[Action, ...]:
        return self.world.plan().actions

    @rule(writes=st.integers(0, 12))
    def operator_dies_after_some_writes(self, writes: int) -> None:
        super().operator_dies_after_some_writes(writes)
        self.world.operator_forgets()

    def check(self, action: Action) -> None:
        world = self.world
        match action:
            case Turn(name, switch):
                self.check_turn(name, switch)
            case Cordon(name) if world.nodes[name].busy:
                # Closed again for a power cycle that has begun: it is down already.
                self.enough_streams_without(name, {name})
            case Evict(pod) if world.nodes[pod.node].busy:
                assert world.nodes[pod.node].cordoned_by, "a pod is sent away that may come back at once"
                self.enough_streams_without(pod.node, set())
            case Tell(plan):
                assert plan.flash == "Hold" or plan.record.power is None
                assert plan.power_cycle == "Machine"
                super().check(action)
            case _:
                super().check(action)

    def check_turn(self, name: str, switch: Switch) -> None:
        world, node = self.world, self.world.nodes[name]
        assert node.spec is not None and node.spec.rollout.power is not None, "a side effect before its intent"
        step = node.spec.rollout.power.step
        assert step == ("TurningOn" if switch is Switch.TURN_ON else "TurningOff")
        if switch is Switch.TURN_ON or not world.machines[name].on:
            return
        staying = [pod for pod in world.pods.values() if pod.node == name and not pod.terminating]
        assert not staying, "a machine is switched off under pods that nobody asked to go"
        assert not any(world.memories[id(card)].in_write for card in node.cards), "a write is cut off"
        down = {n.name for n in world.nodes.values() if n.spec and n.spec.rollout.power}
        assert node.cordoned_by and name in down

    @rule(number=some_node)
    def a_controller_is_asked(self, number: int) -> None:
        self.world.controller_is_asked(self.node(number).name)

    @rule(number=some_node, mood=moods)
    def a_controller_changes_its_mood(self, number: int, mood: Mood) -> None:
        if self.node(number).name not in self.world.unknown:
            self.world.machines[self.node(number).name].mood = mood

    @rule(number=some_node)
    def an_annotation_goes_or_comes(self, number: int) -> None:
        machine = self.world.machines[self.node(number).name]
        machine.named = not machine.named

    @rule(times=st.integers(2, 8))
    def life_goes_on(self, times: int) -> None:
        """Most of the time nothing special happens."""
        for _ in range(times):
            self.everything_takes_a_step()
            self.world.pass_time(15)

    def everything_takes_a_step(self) -> None:
        self.operator_works()
        for name in self.world.nodes:
            self.world.controller_is_asked(name)
        self.world.kubelets_are_heard()
        for node in self.world.nodes.values():
            self.world.agent_reads(node)
            for _ in range(3):
                self.world.agent_works(node)

    @rule(number=some_node)
    def a_stranger_starts(self, number: int) -> None:
        self.world.a_stranger_starts(self.node(number).name)

    @rule(forgets=st.booleans(), moments=st.integers(0, 3))
    def an_admin_opens_a_machine_on_its_way(self, forgets: bool, moments: int) -> None:
        """Of all moments the worst: pods come to a machine that is about to be switched off."""
        for node in self.world.nodes.values():
            if node.spec is not None and node.spec.rollout.power is not None:
                node.cordoned_by, node.mark = "", "" if forgets else node.mark
                self.world.a_stranger_starts(node.name)
        for _ in range(moments):
            self.everything_takes_a_step()

    # Machines and persons.

    @rule()
    def kubelets_are_heard(self) -> None:
        self.world.kubelets_are_heard()

    @rule(number=some_node)
    def a_card_will_not_come_back(self, number: int) -> None:
        self.world.memories[id(self.node(number).cards[0])].lost = 1

    @rule(number=some_node)
    def a_person_power_cycles(self, number: int) -> None:
        node = self.node(number)
        self.world.switch(node.name, False)
        self.world.switch(node.name, True)

    @rule(number=some_node)
    def a_person_reboots(self, number: int) -> None:
        self.world.restart(self.node(number).name)

    @rule(number=some_node)
    def node_is_lost_or_comes_back(self, number: int) -> None:
        machine = self.world.machines[self.node(number).name]
        machine.lost = not machine.lost
        self.world.kubelets_are_heard()

    @rule(number=some_node)
    def an_admin_deletes_an_asrcardnode(self, number: int) -> None:
        self.world.delete_card_node(self.node(number).name)

    @rule(number=some_node)
    def an_admin_deletes_the_node_of_a_machine_that_is_off(self, number: int) -> None:
        self.world.delete_node(self.node(number).name)

    @rule(policy=policies, provider=providers)
    def admin_changes_the_policy(self, policy: dict[str, Any], provider: dict[str, Any] | None) -> None:
        super().admin_changes_the_policy(policy)
        self.admin_changes_the_provider(provider)

    @rule(provider=providers)
    def admin_changes_the_provider(self, provider: dict[str, Any] | None) -> None:
        made = MachinePower.model_validate(provider) if provider else None
        self.world.policy = self.world.policy.model_copy(update={"power_cycle": made})

    # How it ends.

    def everybody_works(self, rounds: int) -> None:
        for _ in range(rounds):
            self.everything_takes_a_step()
            self.everything_takes_a_step()
            self.world.streams_end()

    @precondition(lambda self: not self.world.deleted)
    @rule()
    def pool_is_deleted_half_way(self) -> None:
        """Machines get their power back before the pool lets go of them."""
        world = self.world
        world.deleted = True
        for machine in world.machines.values():
            machine.mood, machine.named = "well", True
        for _ in range(12):
            self.everybody_works(1)
            world.pass_time(30)
        for node in world.nodes.values():
            assert world.machines[node.name].on, f"{node.name} is left off"
            assert node.cordoned_by != "us" and not node.mark and not node.labels
            world.forget_card_node(node.name)
        world.deleted = False

    def teardown(self) -> None:
        """As it is left, each node is done or says why not; with controllers that work, each machine has power."""
        if not hasattr(self, "world"):
            return
        super().teardown()
        for machine in self.world.machines.values():
            machine.mood, machine.named, machine.lost = "well", True, False
        self.admin_changes_the_provider(REDFISH)
        for _ in range(2):
            self.persons_do_as_they_are_told()
            super().teardown()
        for name, machine in self.world.machines.items():
            assert machine.on, f"{name} is left off"
        stops = {name: str(plan.reason) for name, plan in self.world.plan().nodes.items()}
        assert not set(stops.values()) & POWER_STOPS, stops

    def persons_do_as_they_are_told(self) -> None:
        for name, plan in self.world.plan().nodes.items():
            if "by hand" in plan.message:
                self.world.switch(name, False)
                self.world.switch(name, True)

    def may_stay_cordoned(self, node: SimNode, found: NodePlan) -> bool:
        lost_on_the_way = found.state == "PowerCycling" and not node.ready
        return super().may_stay_cordoned(node, found) or lost_on_the_way or str(found.reason) in POWER_STOPS

    def is_a_named_stop(self, found: NodePlan) -> bool:
        return super().is_a_named_stop(found) or str(found.reason) in POWER_STOPS


@pytest.mark.timeout(900)
def test_no_history_leaves_a_machine_off_or_cuts_one_off_under_pods_or_a_write() -> None:
    run_state_machine_as_test(
        PowerHistories,
        settings=settings(
            max_examples=250, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
