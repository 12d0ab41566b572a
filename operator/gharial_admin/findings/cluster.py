"""What Gharial needs of a cluster, also before it is installed."""

import re
from collections.abc import Iterator

from gharial_api.words import count
from gharial_api.words import names as named

from gharial_admin.findings.finding import Code, Finding, error, warning
from gharial_admin.findings.rollout import switching
from gharial_admin.looking.sights import NODE_LEASES
from gharial_admin.looking.snapshot import Snapshot, condition_of, moment, name_of, namespace_of
from gharial_admin.terminal import span

OLDEST = (1, 34)
#: Clocks may differ by this much, in seconds.
SKEW = 60.0
#: A kubelet renews its Lease this often, in seconds.
_RENEWED = 10.0


def cluster(seen: Snapshot) -> Iterator[Finding]:
    """Kubernetes, DRA, Gateway API, clocks, nodes."""
    yield from _version(seen)
    yield from _dra(seen)
    yield from _gateway_api(seen)
    yield from _clocks(seen)
    yield from _nodes(seen)


def _version(seen: Snapshot) -> Iterator[Finding]:
    numbers = re.match(r"v(\d+)\.(\d+)", seen.version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        yield error(
            Code.KUBERNETES_TOO_OLD,
            "cluster",
            f"The cluster runs Kubernetes {seen.version}; Gharial needs {OLDEST[0]}.{OLDEST[1]} or newer.",
            "Upgrade the cluster: cards are scheduled by DRA, which is stable from that version on.",
        )


def _dra(seen: Snapshot) -> Iterator[Finding]:
    if seen.groups and "resource.k8s.io/v1" not in seen.groups:
        yield error(
            Code.DRA_MISSING,
            "cluster",
            "The API server does not serve resource.k8s.io/v1, by which pods get their cards.",
            "Upgrade to Kubernetes 1.34 or newer, and do not switch off the API or the DynamicResourceAllocation gate. "
            "Pools with driver cpu or cuda work without it.",
        )


def _gateway_api(seen: Snapshot) -> Iterator[Finding]:
    if seen.groups and "gateway.networking.k8s.io/v1" not in seen.groups:
        yield warning(
            Code.GATEWAY_API_MISSING,
            "cluster",
            "The cluster has no Gateway API: streams can come from inside the cluster only.",
            "Install Envoy Gateway (https://gateway.envoyproxy.io), or give the chart gateway.enabled=false.",
        )
        return
    if not seen.saw("gatewayclasses"):
        return
    classes = seen.all("gatewayclasses")
    if not any(condition_of(each, "Accepted").get("status") == "True" for each in classes):
        there = f"GatewayClass {named(sorted(map(name_of, classes)))} is not accepted" if classes else "none exists"
        yield warning(
            Code.NO_GATEWAY_CLASS,
            "cluster",
            f"No controller serves a GatewayClass ({there}): a Gateway would get no address.",
            "Install Envoy Gateway with a GatewayClass, and name it to the chart as gateway.className.",
        )


def _clocks(seen: Snapshot) -> Iterator[Finding]:
    apart = abs((seen.here - seen.now).total_seconds())
    if apart > SKEW:
        yield warning(
            Code.CLOCK_SKEW,
            "this machine",
            f"The clock of this machine and that of the API server are {span(apart)} apart.",
            "Set the wrong one by NTP. Ages on this page are counted by the API server's clock.",
        )
    ready = {name_of(node) for node in seen.all("nodes") if condition_of(node, "Ready").get("status") == "True"}
    ours = {node.spec.node_name for node in seen.card_nodes}
    for lease in seen.all("leases"):
        renewed = moment((lease.get("spec") or {}).get("renewTime"))
        name = name_of(lease)
        if namespace_of(lease) != NODE_LEASES or renewed is None or name not in ready & ours:
            continue
        ahead = (renewed - seen.now).total_seconds()
        if ahead > SKEW or ahead < -SKEW - _RENEWED:
            yield warning(
                Code.CLOCK_SKEW,
                f"node {name}",
                f"The clock of {name} is {span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the API server's.",
                "Set it by NTP: the node's agent judges by it whether a licence has run out.",
            )


def _nodes(seen: Snapshot) -> Iterator[Finding]:
    nodes = seen.named("nodes")
    for node in seen.card_nodes:
        if switching(node):
            continue
        live = nodes.get(node.spec.node_name)
        if live is None:
            if seen.saw("nodes"):
                yield error(
                    Code.NODE_NOT_READY,
                    f"node {node.spec.node_name}",
                    f"It has cards of pool {node.spec.pool_ref.name} and is no longer in the cluster.",
                    "If it is gone for good, nothing needs doing: its AsrCardNode goes by itself while the operator "
                    "runs. Else look at its kubelet.",
                )
            continue
        state = condition_of(live, "Ready")
        if state.get("status") != "True":
            name, used = node.spec.node_name, sum(card.streams.used for card in node.status.cards)
            said = str(state.get("message") or "its kubelet does not report").rstrip(".")
            streams = f" It carried {count(used, 'stream')} when it was last heard of." if used else ""
            yield error(
                Code.NODE_NOT_READY,
                f"node {name}",
                f"It is not ready: {said}.{streams}",
                f"Look at its machine and kubelet: kubectl describe node {name}. Rollouts go on elsewhere.",
                moment(state.get("lastTransitionTime")),
            )
