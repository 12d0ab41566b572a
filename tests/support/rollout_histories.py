"""What may happen to a cluster that rolls out, in any order, and the promises that hold all the while."""

from typing import Any

from gharial_operator.policies.rollout import NodePlan, Plan
from gharial_operator.policies.rollout.plan import Action, Cordon, Evict, Tell, Terminate, Turn, Uncordon
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from rollout_world import STREAMS_PER_CARD, SimNode, World, bitstream

policies = st.fixed_dictionaries(
    {
        "max_unavailable": st.sampled_from([1, 1, 2, "50%"]),
        "min_available_streams": st.sampled_from([0, 0, STREAMS_PER_CARD, 2 * STREAMS_PER_CARD]),
        "canary": st.sampled_from([None, None, {"nodes": 1, "soak_seconds": 60}]),
        "drain": st.fixed_dictionaries(
            {"timeout_seconds": st.sampled_from([0, 300]), "on_timeout": st.sampled_from(["Wait", "Abort", "Force"])}
        ),
        "retries": st.integers(0, 2),
        "backoff_seconds": st.sampled_from([0, 60]),
        "rollback_on_failure": st.booleans(),
        "maintenance_windows": st.sampled_from([[], [], [{"start": "12:00", "duration_minutes": 30}]]),
    }
)
beginnings = {
    "nodes": st.integers(1, 4),
    "cards": st.integers(1, 2),
    "policy": policies,
    "percent": st.sampled_from([40, 100, 100]),
    "pods": st.integers(0, 4),
}
some_node = st.integers(0, 3)

#: Reasons that end a rollout until a person, or a node that comes back, changes something.
NAMED_STOPS = {
    "NodeNotReady",
    "NodeCordonedByAdmin",
    "NodeUncordonedByAdmin",
    "PausedByAdmin",
    "CircuitBreakerOpen",
    "CanaryFailed",
    "FlashFailed",
    "RolledBack",
    "CardUnhealthy",
    "MinAvailableStreams",
    "DrainTimedOut",
    "Deleting",
}


class Histories(RuleBasedStateMachine):
    """One history. Checks stand where an order reaches the cluster: then the promise must hold."""

    world: World

    @initialize(**beginnings)
    def begin(self, nodes: int, cards: int, policy: dict[str, Any], percent: int, pods: int) -> None:
        """A quiet cluster whose admin has just asked for another bitstream."""
        self.world = self.new_world(nodes, cards)
        self.everybody_works(2)
        self.world.policy = self.world.policy.model_validate(policy)
        self.world.health = self.world.health.model_copy(update={"max_unhealthy_percent": percent})
        self.world.new_pods(pods)
        self.world.target = 2

    def new_world(self, nodes: int, cards: int) -> World:
        return World(nodes, cards)

    def node(self, number: int) -> SimNode:
        nodes = list(self.world.nodes.values())
        return nodes[number % len(nodes)]

    # The operator, which may be killed between any two of its writes.

    @rule(writes=st.integers(0, 12))
    def operator_dies_after_some_writes(self, writes: int) -> None:
        for action in self.orders()[:writes]:
            self.obey(action)

    @rule(times=st.integers(1, 4))
    def life_goes_on(self, times: int) -> None:
        """Most of the time nothing special happens."""
        for _ in range(times):
            self.operator_works()
            for node in self.world.nodes.values():
                self.world.agent_reads(node)
                self.world.agent_works(node)

    @rule(number=st.integers(1, 5), fate=some_node)
    def a_flash_fails_in_the_middle_of_life(self, number: int, fate: int) -> None:
        self.node(fate).cards[0].failures = number
        self.life_goes_on(3)

    @rule()
    def operator_works(self) -> None:
        for action in self.orders():
            self.obey(action)

    def orders(self) -> tuple[Action, ...]:
        return self.world.plan().actions if not self.world.deleted else self.world.farewell()

    def obey(self, action: Action) -> None:
        self.check(action)
        self.world.act(action)

    def check(self, action: Action) -> None:
        world = self.world
        match action:
            case Cordon(name):
                node = world.nodes[name]
                assert node.ready and not node.cordoned_by and not world.policy.paused
                down = {n.name for n in world.nodes.values() if not n.ready or n.cordoned_by or n.busy} | {name}
                assert len(down) <= self.budget(), f"{down} down"
                self.enough_streams_without(name, down)
            case Uncordon(name):
                assert world.nodes[name].cordoned_by == "us", "an admin's cordon was lifted"
            case Evict(pod):
                assert world.nodes[pod.node].cordoned_by == "us"
                self.enough_streams_without(pod.node, set())
            case Terminate(pod):
                assert world.policy.drain.on_timeout == "Force"
            case Tell(plan) if plan.flash == "Allowed":
                node = world.nodes[plan.node]
                if node.spec is not None and node.spec.flash == "Allowed":
                    return
                assert node.cordoned_by == "us" and node.ready and not world.policy.paused and not world.deleted
                assert not any(pod.node == node.name for pod in world.pods.values())
                self.enough_streams_without(node.name, set())
            case _:
                pass

    def budget(self) -> int:
        value = self.world.policy.max_unavailable
        share = value if isinstance(value, int) else int(value[:-1]) * len(self.world.nodes) // 100
        return max(1, share)

    def enough_streams_without(self, name: str, down: set[str]) -> None:
        """By what the agents have reported; a node without usable cards costs nothing."""
        node = self.world.nodes[name]
        left = sum(
            n.usable for n in self.world.nodes.values() if n.name != name and n.name not in down and not n.cordoned_by
        )
        assert node.usable == 0 or left >= self.world.policy.min_available_streams

    # Agents and cards. Reports are as fresh as the agents that write them.

    @rule(number=some_node)
    def agent_reads(self, number: int) -> None:
        self.world.agent_reads(self.node(number))

    @rule(number=some_node)
    def agent_works(self, number: int) -> None:
        self.world.agent_works(self.node(number))

    @rule(number=some_node)
    def agent_dies_or_comes_back(self, number: int) -> None:
        node = self.node(number)
        node.agent_alive = not node.agent_alive
        self.world.agent_reads(node)

    @rule(number=some_node)
    def a_card_dies_or_heals(self, number: int) -> None:
        node = self.node(number)
        node.cards[-1].dead = not node.cards[-1].dead
        node.agent_alive = True
        self.world.agent_reads(node)

    # Streams and pods.

    @rule()
    def a_pod_starts(self) -> None:
        self.world.new_pods(1)

    @rule()
    def streams_end(self) -> None:
        self.world.streams_end()

    # Admins.

    @rule(number=some_node)
    def admin_cordons(self, number: int) -> None:
        node = self.node(number)
        if not node.cordoned_by:
            node.cordoned_by = "admin"

    @rule(number=some_node)
    def admin_uncordons(self, number: int) -> None:
        self.node(number).cordoned_by = ""

    @rule()
    def admin_pauses_or_resumes(self) -> None:
        world = self.world
        world.policy = world.policy.model_copy(update={"paused": not world.policy.paused})

    @rule(number=st.integers(1, 4))
    def admin_wants_another_bitstream(self, number: int) -> None:
        self.world.target = number

    @rule(policy=policies)
    def admin_changes_the_policy(self, policy: dict[str, Any]) -> None:
        self.world.policy = self.world.policy.model_validate({**policy, "paused": self.world.policy.paused})

    @rule(word=st.sampled_from(["a", "b"]))
    def admin_resets(self, word: str) -> None:
        self.world.policy = self.world.policy.model_copy(update={"reset": word})

    # The rest of the world.

    @rule(number=some_node)
    def node_is_lost_or_comes_back(self, number: int) -> None:
        node = self.node(number)
        node.ready = not node.ready
        self.world.agent_reads(node)

    @rule(seconds=st.sampled_from([1, 60, 700, -30, -100_000, 100_000]))
    def the_clock_jumps(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    # How it ends.

    def everybody_works(self, rounds: int) -> None:
        for _ in range(rounds):
            self.operator_works()
            for node in self.world.nodes.values():
                self.world.agent_reads(node)
                for _ in range(5):
                    self.world.agent_works(node)
            self.world.streams_end()

    @precondition(lambda self: not self.world.deleted)
    @rule()
    def pool_is_deleted_half_way(self) -> None:
        """Everything of ours is gone at once; the pool is made again, with what its cards have."""
        self.world.deleted = True
        self.operator_works()
        for node in self.world.nodes.values():
            assert node.cordoned_by != "us" and not node.mark and not node.labels
            node.spec, node.generation = None, 0
        self.world.deleted = False

    def teardown(self) -> None:
        """Faults stop and time goes on: every node is done or stopped for a reason, and nothing of ours is left."""
        if not hasattr(self, "world"):
            return
        for node in self.world.nodes.values():
            node.agent_alive = True
        self.world.policy = self.world.policy.model_copy(update={"maintenance_windows": []})
        quiet, before, rounds = 0, None, 0
        while quiet < 3:
            self.everybody_works(1)
            self.world.pass_time(700)
            now = [(n.spec, n.cordoned_by, n.mark, n.status) for n in self.world.nodes.values()]
            quiet, before = quiet + 1 if now == before else 0, now
            rounds += 1
            assert rounds < 200, "the rollout goes on for ever"
        plan = self.world.plan()
        # Power is asked for in each round; that is no write.
        writes = [a for a in plan.actions if not isinstance(a, Tell | Turn) or self.is_new(a)]
        assert not writes, writes
        stops = 0
        for name, found in plan.nodes.items():
            node = self.world.nodes[name]
            assert node.cordoned_by != "us" or self.may_stay_cordoned(node, found), f"{name} stays cordoned: {found}"
            assert found.state == "Done" or self.waits_for_another(found, plan) or self.is_a_named_stop(found), found
            stops += found.state != "Done"
        if not stops:
            # Of a node that is lost, what it said last counts.
            heard = [node for node in self.world.nodes.values() if node.ready]
            assert {card.version for node in heard for card in node.cards} <= {bitstream(self.world.target).version}

    def is_new(self, action: Tell | Turn) -> bool:
        return isinstance(action, Tell) and self.world.nodes[action.plan.node].spec is None

    def may_stay_cordoned(self, node: SimNode, found: NodePlan) -> bool:
        """A node that was lost while its cards were being written."""
        return node.busy and not node.ready

    def is_a_named_stop(self, found: NodePlan) -> bool:
        return str(found.reason) in NAMED_STOPS

    def waits_for_another(self, found: NodePlan, plan: Plan) -> bool:
        """Whether a node waits for one that is down or stopped, and says its name."""
        if str(found.reason) not in {"WaitingForBudget", "CanarySoaking"}:
            return False
        down = {n.name for n in self.world.nodes.values() if not n.ready or n.cordoned_by == "admin" or not n.usable}
        down |= {other.node for other in plan.nodes.values() if self.is_a_named_stop(other)}
        return any(name in found.message for name in down - {found.node})
