"""Deleting the model and the pool leaves nothing of theirs behind, and they can come again."""

from gharial_cluster.demo.site import Site, example, wait_until
from gharial_cluster.network_plan import NODES

KINDS = [
    "deployments", "replicasets", "pods", "services", "httproutes", "resourceclaimtemplates", "resourceclaims",
    "poddisruptionbudgets", "backendtrafficpolicies",
]  # fmt: skip


def left_behind(site: Site) -> list[str]:
    """Objects of the model and the pool, cards on offer, CDI files on the nodes."""
    objects = [f"{kind}/{item['metadata']['name']}" for kind in KINDS for item in site.objects(kind, "speech")]
    nodes = [f"asrcardnode/{item['metadata']['name']}" for item in site.objects("asrcardnodes")]
    devices = [device["name"] for s in site.objects("resourceslices") for device in s["spec"].get("devices", [])]
    files = [
        f"{node}:{name}"
        for node in NODES
        for name in site.cluster.node_exec(node, ["sh", "-c", "ls /var/run/cdi 2>/dev/null || true"]).split()
    ]
    return objects + nodes + devices + files


def test_nothing_is_left_and_all_comes_back(site: Site) -> None:
    assert left_behind(site)
    site.delete("asrmodel", "general", "speech")
    site.delete("asrcardpool", "simulated")
    wait_until(lambda: not left_behind(site), 120, lambda: f"left behind: {left_behind(site)}")
    site.apply(*example("pool"), *example("model"))
    site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=240)
