"""Room for pods on cores and GPUs: facts in, counts and sentences out."""

from typing import Any

import pytest
from gharial_api import AsrCardNode
from gharial_operator.facts import GpuDevice, Held, NodeFacts, PoolFacts
from gharial_operator.policies.pool import PoolDecision, decide_pool
from gharial_operator.snapshot.machines import asked, gpu_device
from pool_facts import NOW, a_node, a_pool

GPU = "nvidia.com/gpu"
BARE: dict[str, Any] = {"bitstream": None, "licences": None}
CORES = {"driver": "cpu", **BARE, "podResources": {"cpu": "2", "memory": "2Gi"}}
CUDA = {"driver": "cuda", **BARE, "podResources": {"cpu": "1", "memory": "2Gi"}}


def decide(
    spec: dict[str, Any], *nodes: NodeFacts, reports: tuple[AsrCardNode, ...] = (), **facts: Any
) -> PoolDecision:
    return decide_pool(PoolFacts(a_pool(**spec), NOW, nodes, reports, **facts))


def said(decision: PoolDecision, kind: str) -> tuple[str, str, str]:
    found = next(c for c in decision.status.conditions if c.type == kind)
    return found.status, found.reason, found.message


def gpus(node: str, has: int, offers: int | None = None, resource: str = GPU, **fields: Any) -> NodeFacts:
    """A node whose device plugin offers GPUs."""
    offered = has if offers is None else offers
    return a_node(node, gpu_capacity={resource: has}, gpus={resource: offered}, **fields)


def report(node: str, *healths: str) -> AsrCardNode:
    """What the node's agent says of its GPUs."""
    cards = [
        {
            "pciAddress": f"0000:3{n}:00.0",
            "uniqueId": f"GPU-{n}",
            "health": health,
            "phase": "Ready" if health == "Healthy" else "Failed",
            **({} if health == "Healthy" else {"healthMessage": "It is lost."}),
        }
        for n, health in enumerate(healths)
    ]
    spec = {"poolRef": {"name": "cards"}, "nodeName": node, "driver": "cuda"}
    status = {"observedGeneration": 1, "cards": cards}
    return AsrCardNode.model_validate({"metadata": {"name": node}, "spec": spec, "status": status})


def test_cores_and_memory_that_other_pods_hold_are_not_counted() -> None:
    held = {"a": Held(cpu_cores=2.5), "b": Held(memory_bytes=15 * 2**30)}
    decision = decide(CORES, a_node("a", cpu_cores=8.0), a_node("b"), held=held)
    assert decision.status.cards.summary == "2/6"
    assert said(decision, "Ready")[2] == (
        "2 pods of 2 cores and 2Gi fit on 2 nodes; a has 5.5 of 8 cores left and b has 1.0 of 16.0 GiB of memory left."
    )
    assert decision.recheck


def test_a_pool_of_cores_without_room_says_what_takes_it() -> None:
    nodes = (a_node("a", cordoned=True), a_node("b", taints=("dedicated",)), a_node("c", cpu_cores=1.0))
    assert said(decide(CORES, *nodes), "Ready") == (
        "False",
        "NoCardsFound",
        "No pod of 2 cores and 2Gi fits on 3 nodes: a is cordoned, b has the taint dedicated and c has 1 of 1 cores "
        "left. Free cores there, add nodes, or lower spec.podResources.",
    )


def test_tenths_of_cores_add_up() -> None:
    decision = decide(CORES, a_node("a"), held={"a": Held(cpu_cores=0.1 + 0.2)})
    assert decision.status.cards.ready == 1
    assert decide(CORES, a_node("a", cpu_cores=0.1 + 0.2 + 3.7)).status.cards.ready == 2


def test_gpus_are_counted_as_the_device_plugin_offers_them_less_those_of_other_pods() -> None:
    node = gpus("a", 4, offers=3, taints=("nvidia.com/gpu",))
    decision = decide(CUDA, node, held={"a": Held(gpus={GPU: 1})})
    assert decision.status.cards.summary == "2/4"
    assert said(decision, "Ready")[2].startswith(
        "2 pods of one nvidia.com/gpu, 1 core and 2Gi fit on 1 node; a has 4 GPUs, 1 sick and 1 with other pods."
    )
    assert "gpus.enabled" in said(decision, "Ready")[2]


def test_every_node_with_gpus_has_a_card_node_that_is_done() -> None:
    decision = decide(CUDA, gpus("a", 1), gpus("b", 1))
    assert {name: plan.state for name, plan in decision.card_nodes.items()} == {"a": "Done", "b": "Done"}
    assert all(plan.flash == "Hold" and plan.bitstream is None for plan in decision.card_nodes.values())


def test_a_sick_gpu_is_named_with_its_address_and_not_counted() -> None:
    decision = decide(CUDA, gpus("a", 2), reports=(report("a", "Healthy", "Unhealthy"),))
    assert decision.status.cards.summary == "1/2"
    assert said(decision, "Degraded") == (
        "True",
        "CardUnhealthy",
        "1 of 2 cards broken: a 0000:31:00.0. It is lost.",
    )
    assert said(decision, "Ready")[0] == "True"


def test_a_sick_gpu_that_the_device_plugin_left_out_is_not_left_out_twice() -> None:
    decision = decide(CUDA, gpus("a", 2, offers=1), reports=(report("a", "Healthy", "Unhealthy"),))
    assert decision.status.cards.summary == "1/2"


def test_time_slices_and_parts_of_gpus_are_counted_as_nvidia_counts_them() -> None:
    shared = "nvidia.com/gpu.shared"
    spec = {**CUDA, "gpu": {"resourceName": shared}}
    decision = decide(
        spec, gpus("a", 8, resource=shared, cpu_cores=16.0), reports=(report("a", "Healthy", "Unhealthy"),)
    )
    assert decision.status.cards.summary == "8/8"
    assert "one nvidia.com/gpu.shared" in said(decision, "Ready")[2]


def test_cores_bound_the_pods_of_a_gpu_node_too() -> None:
    assert decide(CUDA, gpus("a", 8, cpu_cores=3.5)).status.cards.summary == "3/3"


def test_without_nvidias_device_plugin_the_pool_says_what_to_install() -> None:
    status, reason, message = said(decide(CUDA, a_node("a")), "Ready")
    assert (status, reason) == ("False", "GpusNotOffered")
    assert "No node offers nvidia.com/gpu (a): install NVIDIA's GPU operator" in message


def test_the_other_way_to_claim_gpus_is_named_where_it_is_the_one_that_works() -> None:
    devices = (GpuDevice("a", "GPU-0"), GpuDevice("a", "GPU-1"), GpuDevice("elsewhere", "GPU-2"))
    message = said(decide(CUDA, a_node("a"), gpu_devices=devices), "Ready")[2]
    assert "publishes 2 devices on a: set spec.gpu.claimBy to ResourceClaim" in message
    claims = {**CUDA, "gpu": {"claimBy": "ResourceClaim"}}
    assert "set spec.gpu.claimBy to DevicePlugin" in said(decide(claims, gpus("a", 1)), "Ready")[2]
    assert "install it" in said(decide(claims, a_node("a")), "Ready")[2]
    assert (
        "nvidia.com/mig-1g.10gb: set spec.gpu.resourceName"
        in (said(decide(CUDA, gpus("a", 7, resource="nvidia.com/mig-1g.10gb")), "Ready")[2])
    )


@pytest.mark.parametrize(
    ("gpu", "summary"),
    [
        ({}, "1/3"),
        ({"productName": "NVIDIA L4"}, "0/1"),
        ({"minMemory": "40Gi"}, "1/2"),
        ({"deviceClassName": "mig.nvidia.com"}, "0/1"),
        ({"deviceClassName": "ours"}, "1/4"),
    ],
)
def test_devices_of_the_dra_driver_are_counted_as_claims_would_take_them(gpu: dict[str, str], summary: str) -> None:
    h100 = {"product": "NVIDIA H100", "memory_bytes": 80 * 2**30}
    devices = (
        GpuDevice("a", "GPU-0", product="NVIDIA L4", memory_bytes=23 * 2**30, taint="nvidia.com/xid"),
        GpuDevice("a", "GPU-1", **h100),  # type: ignore[arg-type]
        GpuDevice("a", "GPU-2", **h100),  # type: ignore[arg-type]
        GpuDevice("a", "MIG-0", "mig", "NVIDIA H100", 10 * 2**30, parent="GPU-1"),
    )
    spec = {**CUDA, "gpu": {"claimBy": "ResourceClaim", **gpu}}
    sick = report("a", "Healthy", "Unhealthy")
    assert (
        decide(spec, a_node("a", cpu_cores=16.0), reports=(sick,), gpu_devices=devices).status.cards.summary == summary
    )


def test_a_device_of_a_slice_is_read() -> None:
    device = {
        "name": "gpu-0",
        "attributes": {"type": {"string": "gpu"}, "uuid": {"string": "GPU-1"}, "productName": {"string": "NVIDIA L4"}},
        "capacity": {"memory": {"value": "23034Mi"}},
        "taints": [{"key": "sick", "effect": "NoExecute"}],
    }
    assert gpu_device("a", device) == GpuDevice("a", "GPU-1", "gpu", "NVIDIA L4", 23034 * 2**20, "", "sick")


SIDECAR = {"restartPolicy": "Always"}


def container(cpu: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "cores"),
    [
        ({"containers": [container("1"), container("500m")]}, 1.5),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, 3),
        ({"containers": [container("2")], "initContainers": [container("1", **SIDECAR)]}, 3),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("1", **SIDECAR), container("2")],
            },
            3,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1.25),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "4"}}}, 4),
        ({"containers": [{}]}, 0),
    ],
)
def test_what_a_pod_holds_is_what_the_scheduler_counts(spec: dict[str, Any], cores: float) -> None:
    assert float(asked(spec).get("cpu", 0)) == cores
