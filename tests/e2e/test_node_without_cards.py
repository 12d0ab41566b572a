"""Pods land on nodes with cards and on no other."""

from collections.abc import Iterator

import pytest
from gharial_cluster.demo.site import Site, wait_until
from gharial_cluster.network_plan import NODES


@pytest.fixture
def cards_on_one_node(site: Site) -> Iterator[str]:
    """Cards on the first node only; the second has none until the test is over."""
    keeps, loses = NODES
    site.label_nodes(keeps)
    wait_until(lambda: not slices_of(site, loses), 90, lambda: f"{loses} still offers cards: {slices_of(site, loses)}")
    yield keeps
    site.label_nodes(keeps, loses)


def slices_of(site: Site, node: str) -> list[str]:
    """Cards that a node offers to the scheduler."""
    slices = [s for s in site.objects("resourceslices") if s["spec"].get("nodeName") == node]
    return [device["name"] for s in slices for device in s["spec"].get("devices", [])]


def pods_by_node(site: Site) -> dict[str, str | None]:
    """Server pods and where they run, the ones on their way out left out."""
    pods = site.objects("pods", "speech", "asr.gharial.dev/model=general")
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName") for pod in living}


def test_a_node_without_cards_gets_no_pod_and_the_model_says_why(site: Site, cards_on_one_node: str) -> None:
    other = next(node for node in NODES if node != cards_on_one_node)
    for pod, node in pods_by_node(site).items():
        if node == other:
            site.delete("pod", pod, "speech")
    condition = site.wait_condition(
        "asrmodel", "general", "CapacityAvailable", "False", namespace="speech", reason="InsufficientCards", timeout=120
    )
    placed = pods_by_node(site)
    assert set(placed.values()) <= {cards_on_one_node, None}
    assert "card" in condition["message"]
