"""A rollout over machines that are power-cycled: a real API server, a real Redfish service, an operator that dies."""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from api_server import Api
from gharial_operator.context import Context
from gharial_operator.policies.rollout import power
from gharial_operator.reconcile.pool import reconcile_pool
from gharial_operator.work_queue import Key
from machines import CARD_NODES, NODES, add_node, card, report
from manifests import pool
from operator_life import live_until_write
from redfish_emulator import power_state, redfish_emulator
from rollout_hands import BUDGETS, PODS, add_pod, cordon, kubelets, put_budget, state

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
SECRETS = "/api/v1/namespaces/gharial-system/secrets"
LABELS = {"asr.gharial.dev/cards": "simulated"}
SYSTEMS = {f"node-{letter}": f"{letter * 8}-0000-0000-0000-000000000000" for letter in "ab"}
REDFISH = {"provider": "redfish", "secretRef": {"name": "bmc"}, "shutdownSeconds": 60}


@dataclass
class Machine:
    """A node whose kubelet and agent have power when the emulator's system has."""

    api: Api
    url: str
    name: str
    on: bool = True
    boots: int = 0
    live: str = "1.1.0"
    flash: str = "1.1.0"
    phase: str = "Ready"
    seen: list[str] = field(default_factory=list)

    def live_on(self) -> None:
        """One look at the power, one step of the agent."""
        now = power_state(self.url, SYSTEMS[self.name]) == "On"
        if now != self.on:
            self.on = now
            self.boots += now
            self.live = self.flash
            if not now:
                assert self.phase == "PowerCycling" and not self.pods(), "cut off under pods or a write"
            self.kubelet_says(ready=now)
        if self.on:
            self.agent_steps()

    def kubelet_says(self, ready: bool) -> None:
        if self.api.get(f"{NODES}/{self.name}") is None:
            self.register()
        when = "2026-01-01T00:00:00Z"
        condition = {"type": "Ready", "status": str(ready), "reason": "Test", "message": ""}
        times = {"lastHeartbeatTime": when, "lastTransitionTime": when}
        status = {"conditions": [{**condition, **times}], "nodeInfo": {"bootID": f"boot-{self.boots}"}}
        self.api.merge(f"{NODES}/{self.name}/status", {"status": status})

    def register(self) -> None:
        """The kubelet makes its Node, with the label and the annotation that it was configured with."""
        add_node(self.api, self.name, LABELS)
        address = f"{self.url}/redfish/v1/Systems/{SYSTEMS[self.name]}"
        self.api.merge(f"{NODES}/{self.name}", {"metadata": {"annotations": {"asr.gharial.dev/bmc": address}}})

    def pods(self) -> list[str]:
        """Pods of the node that do not belong to it as its DaemonSets' do."""
        found = [pod for pod in self.api.items(PODS) if pod["spec"].get("nodeName") == self.name]
        return [pod["metadata"]["name"] for pod in found if not pod["metadata"].get("ownerReferences")]

    def agent_steps(self) -> None:
        live = self.api.get(f"{CARD_NODES}/{self.name}")
        if live is None:
            return
        spec = live["spec"]
        assert spec["powerCycle"] == "Machine"
        target = spec["bitstream"]["version"]
        if self.phase == "Ready" and self.live != target and spec["flash"] == "Allowed":
            self.phase = "Flashing"
        elif self.phase == "Flashing":
            self.phase, self.flash = "PowerCycling", target
        elif self.phase == "PowerCycling" and self.live == self.flash:
            self.phase = "Ready"
        report(self.api, self.name, card(bitstream=self.live, phase=self.phase))


def place(api: Api, url: str, name: str) -> Machine:
    machine = Machine(api, url, name)
    machine.kubelet_says(ready=True)
    return machine


@pytest.fixture
def machines(
    api: Api, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[dict[str, Machine]]:
    """Two machines on 1.1.0 and a pool that asks for 1.2.0; everything is gone afterwards."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr(power, "OFF_SECONDS", 1)
    login = {key: base64.b64encode(b"admin").decode() for key in ("username", "password")}
    api.request("POST", SECRETS, {"kind": "Secret", "metadata": {"name": "bmc"}, "data": login})
    with redfish_emulator(tmp_path, list(SYSTEMS.values())) as url:
        found = {name: place(api, url, name) for name in SYSTEMS}
        api.request("POST", POOLS, pool(upgradePolicy={"powerCycle": REDFISH}))
        operator_lives()
        yield found
        api.delete(f"{POOLS}/cards")
        # The emulator takes seconds for each change of a machine's power.
        deadline = time.monotonic() + 120
        while api.items(POOLS) and time.monotonic() < deadline:
            operator_lives()
            live_on(found)
        states = {name: power_state(url, system) for name, system in SYSTEMS.items()}
    assert set(states.values()) == {"On"} and api.items(POOLS) == []
    for item in api.items(PODS):
        api.request("DELETE", f"{PODS}/{item['metadata']['name']}?gracePeriodSeconds=0")
    for item in api.items(NODES):
        assert "unschedulable" not in item["spec"]
        api.delete(f"{NODES}/{item['metadata']['name']}")
    api.delete(f"{SECRETS}/bmc")
    api.delete(f"{BUDGETS}/english")


async def look(context: Context) -> None:
    """Looks a few times, so that what the controllers say has come in at the last one."""
    for _ in range(3):
        await reconcile_pool(context, Key("AsrCardPool", "cards"))
        await asyncio.sleep(0.1)


def operator_lives(writes: int = -1) -> bool:
    """Until nothing is left to write, or killed after so many writes."""
    return live_until_write(writes, look)


def live_on(machines: dict[str, Machine]) -> None:
    for machine in machines.values():
        machine.live_on()


def add_daemon(api: Api, node: str) -> None:
    """A pod of a DaemonSet, which ends and starts with its machine."""
    add_pod(api, f"daemon-{node}", node)
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "daemon", "uid": "1"}
    api.merge(f"{PODS}/daemon-{node}", {"metadata": {"ownerReferences": [owner], "labels": None}})


def why(api: Api, node: str) -> str:
    return str(api.get(f"{CARD_NODES}/{node}")["spec"]["flashReason"])


def until(api: Api, machines: dict[str, Machine], reached: Callable[[], bool]) -> None:
    """The operator and the machines live until it is so."""
    for _ in range(200):
        operator_lives()
        live_on(machines)
        if reached():
            return
    raise AssertionError(why(api, "node-a"))


def replace_the_pool_by_force(api: Api) -> None:
    """It goes without its finalizer, its AsrCardNodes are collected as garbage, and a pool of the same name comes."""
    api.merge(f"{POOLS}/cards", {"metadata": {"finalizers": None}})
    api.delete(f"{POOLS}/cards")
    for name in SYSTEMS:
        api.delete(f"{CARD_NODES}/{name}")
    api.request("POST", POOLS, pool(upgradePolicy={"powerCycle": REDFISH}))


def roll(api: Api, machines: dict[str, Machine], writes: int) -> tuple[int, list[str]]:
    """A whole rollout; returns how often the operator was killed, and node-a's steps on the way."""
    deaths, seen = 0, []
    for _ in range(400):
        deaths += operator_lives(writes)
        spec: dict[str, Any] = api.get(f"{CARD_NODES}/node-a")["spec"]["rollout"]
        now = (spec.get("power") or {}).get("step") or spec["state"]
        seen += [now] if now not in seen[-1:] else []
        live_on(machines)
        kubelets(api)
        assert sum(not machine.on for machine in machines.values()) <= 1
        if all(state(api, name) == "Done" for name in machines):
            return deaths, seen
    raise AssertionError(f"node-a went {seen}: {why(api, 'node-a')}")


@pytest.mark.timeout(300)
def test_an_operator_killed_after_any_write_power_cycles_each_machine_once(
    api: Api, machines: dict[str, Machine]
) -> None:
    put_budget(api, 1)
    add_pod(api, "stranger", "node-a")
    api.merge(f"{PODS}/stranger", {"metadata": {"labels": None}})
    add_daemon(api, "node-a")
    deaths, seen = roll(api, machines, writes=1)
    assert deaths >= 20
    steps = ["Waiting", "TurningOff", "KeptOff", "TurningOn"]
    assert [step for step in seen if step in steps] == steps and seen[-1] == "Done"
    for name, machine in machines.items():
        assert (machine.boots, machine.live, machine.on) == (1, "1.2.0", True)
        assert cordon(api, name) == (False, "")
        assert "power" not in api.get(f"{CARD_NODES}/{name}")["spec"]["rollout"]
    assert [pod["metadata"]["name"] for pod in api.items(PODS)] == ["daemon-node-a"]


@pytest.mark.timeout(300)
def test_a_controller_that_gives_trouble_is_named_and_a_pool_deleted_half_way_leaves_no_machine_off(
    api: Api, machines: dict[str, Machine]
) -> None:
    api.merge(f"{SECRETS}/bmc", {"data": {"password": None}})
    for _ in range(6):
        operator_lives()
        live_on(machines)
    trouble = "Secret gharial-system/bmc has no password; add it"
    assert why(api, "node-a").startswith("PowerControllerFailed:") and trouble in why(api, "node-a")
    conditions = {c["type"]: c for c in api.get(f"{POOLS}/cards")["status"]["conditions"]}
    degraded = conditions["Degraded"]
    assert (degraded["status"], degraded["reason"]) == ("True", "PowerControllerFailed")
    assert "node-a" in degraded["message"] and trouble in degraded["message"]
    assert machines["node-a"].on and state(api, "node-b") == "Pending"
    events = [e["reason"] for e in api.items("/api/v1/namespaces/default/events") if e["type"] == "Warning"]
    assert "PowerControllerFailed" in events
    api.merge(f"{SECRETS}/bmc", {"data": {"password": base64.b64encode(b"admin").decode()}})
    # The fixture deletes the pool then, and looks whether the machine gets its power back.
    until(api, machines, lambda: not machines["node-a"].on)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lost", [CARD_NODES, NODES, POOLS])
def test_a_machine_gets_its_power_back_though_its_asrcardnode_or_node_or_pool_is_deleted_meanwhile(
    api: Api, machines: dict[str, Machine], lost: str
) -> None:
    machine = machines["node-a"]
    until(api, machines, lambda: not machine.on)
    if lost == POOLS:
        replace_the_pool_by_force(api)
    else:
        api.delete(f"{lost}/node-a")
    held = api.get(f"{CARD_NODES}/node-a")["metadata"]
    assert held["finalizers"] == ["asr.gharial.dev/power"]
    until(api, machines, lambda: machine.on)
    until(api, machines, lambda: state(api, "node-a") == "Done")
    left = api.get(f"{CARD_NODES}/node-a")["metadata"]
    assert left["uid"] != held["uid"] or lost == NODES
    assert "finalizers" not in left
    assert (machine.boots, machine.live) == (1, "1.2.0")
    assert not cordon(api, "node-a")[0]


def test_a_pod_that_starts_on_a_machine_is_let_come_up_before_it_is_asked_to_go(
    api: Api, machines: dict[str, Machine]
) -> None:
    add_pod(api, "stranger", "node-a")
    unready = {"conditions": [{"type": "Ready", "status": "False"}]}
    api.merge(f"{PODS}/stranger", {"metadata": {"labels": None}})
    api.merge(f"{PODS}/stranger/status", {"status": unready})
    until(api, machines, lambda: state(api, "node-a") == "WaitingForStreams")
    operator_lives()
    assert "deletionTimestamp" not in api.get(f"{PODS}/stranger")["metadata"]
    assert "default/stranger" in why(api, "node-a")
    api.merge(f"{PODS}/stranger/status", {"status": {"startTime": "2026-01-01T00:00:00Z"}})
    operator_lives()
    assert "deletionTimestamp" in api.get(f"{PODS}/stranger")["metadata"], "it has had its time"


def test_a_machine_without_a_controllers_address_is_named_before_it_is_drained(
    api: Api, machines: dict[str, Machine]
) -> None:
    for name in SYSTEMS:
        api.merge(f"{NODES}/{name}", {"metadata": {"annotations": {"asr.gharial.dev/bmc": None}}})
    for _ in range(3):
        operator_lives()
        live_on(machines)
    assert why(api, "node-a").startswith("PowerControllerUnknown: Nobody knows the power controller of node-a.")
    assert "kubectl annotate node node-a asr.gharial.dev/bmc=https://ADDRESS" in why(api, "node-a")
    assert not cordon(api, "node-a")[0] and machines["node-a"].phase == "Ready"
