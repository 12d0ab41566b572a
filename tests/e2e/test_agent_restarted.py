"""An agent's pod is replaced while a server pod holds its card: nobody notices, and the card changes hands."""

from typing import Any

from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site, wait_until
from gharial_cluster.network_plan import NODES

from .hardware import agent_of, live
from .pods import is_ready

MODEL = "asr.gharial.dev/model=general"


def test_a_claim_that_one_agent_prepared_is_released_and_prepared_again_by_the_next(site: Site) -> None:
    node = NODES[0]
    before = server_on(site, node)
    assert before is not None
    site.delete("pod", agent_of(site, node), SYSTEM_NAMESPACE)
    wait_until(lambda: registered(site, node), 60, lambda: f"the agent of {node} is not ready again")
    held = server_on(site, node)
    assert held is not None and restarts(held) == restarts(before)
    assert held["metadata"]["uid"] == before["metadata"]["uid"], "the server pod was lost with the agent's"
    # Its claim was prepared by an agent that is gone.
    site.delete("pod", held["metadata"]["name"], "speech")
    wait_until(
        lambda: server_on(site, node) not in (None, held) and is_ready(server_on(site, node)), 90,
        lambda: f"no other server pod on {node}: {server_on(site, node)}",
    )  # fmt: skip
    files = site.cluster.node_exec(node, ["sh", "-c", "ls /var/run/cdi/cards.asr.gharial.dev-*.json"]).split()
    assert len(files) == 1, "the released claim left its CDI file behind"


def server_on(site: Site, node: str) -> dict[str, Any] | None:
    """The server pod that holds the node's card."""
    pods = [pod for pod in site.objects("pods", "speech", MODEL) if live(pod) and pod["spec"].get("nodeName") == node]
    return pods[0] if pods else None


def restarts(pod: dict[str, Any]) -> int:
    return sum(container["restartCount"] for container in pod["status"]["containerStatuses"])


def registered(site: Site, node: str) -> bool:
    """Whether the node's agent is known to its kubelet, which is what its readiness says."""
    name = agent_of(site, node)
    return bool(name) and is_ready(site.get("pod", name, SYSTEM_NAMESPACE))
