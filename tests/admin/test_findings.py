"""Findings that no API server of today can be brought to: read from snapshots made by hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gharial_admin.findings import examine
from gharial_admin.looking.snapshot import Gap, Snapshot
from gharial_admin.report import UNSEEN, plain, status
from installation import part
from manifests import model, pool
from pool_facts import NOW

GROUPS = frozenset({"resource.k8s.io/v1", "gateway.networking.k8s.io/v1"})
EARLIER = (NOW - timedelta(hours=1)).isoformat()
OURS: dict[str, tuple[dict[str, Any], ...]] = {"asrcardpools": (), "asrcardnodes": (), "asrmodels": ()}


def snapshot(**objects: tuple[dict[str, Any], ...]) -> Snapshot:
    """A cluster in which nothing is wrong but what these objects bring."""
    return Snapshot(NOW, NOW, "https://cluster", "v1.36.3", GROUPS, {**OURS, **objects})


def codes(seen: Snapshot) -> set[str]:
    return {found.code.value for found in examine(seen)}


def test_an_empty_cluster_of_today_lacks_nothing() -> None:
    assert codes(snapshot()) == set()


@pytest.mark.parametrize("version", ["v1.33.9", "v1.29.0-eks"])
def test_a_kubernetes_that_is_too_old_is_named(version: str) -> None:
    assert codes(replace(snapshot(), version=version)) == {"KubernetesTooOld"}


def test_a_cluster_without_dra_or_gateway_api_is_told_what_is_missing() -> None:
    assert codes(replace(snapshot(), groups=frozenset({"apps/v1"}))) == {"DraMissing", "GatewayApiMissing"}


def test_a_gateway_class_that_nobody_serves_is_named() -> None:
    refused = {"metadata": {"name": "eg"}, "status": {"conditions": [{"type": "Accepted", "status": "Unknown"}]}}
    [found] = examine(snapshot(gatewayclasses=(refused,)))
    assert (found.code, found.says) == (
        "NoGatewayClass",
        found.says,
    ) and "GatewayClass eg is not accepted" in found.says


def test_clocks_of_this_machine_and_of_nodes_are_compared_with_the_api_servers() -> None:
    assert codes(replace(snapshot(), here=NOW + timedelta(seconds=90))) == {"ClockSkew"}
    spec = {"poolRef": {"name": "cards"}, "nodeName": "node-a", "driver": "simulated"}
    ready = {"type": "Ready", "status": "True"}
    lease = {"metadata": {"name": "node-a", "namespace": "kube-node-lease"}}
    for seconds, skewed in ((-300, True), (-12, False), (5, False), (120, True)):
        renewed = (NOW + timedelta(seconds=seconds)).isoformat()
        seen = snapshot(
            asrcardnodes=({"metadata": {"name": "node-a"}, "spec": spec},),
            nodes=({"metadata": {"name": "node-a"}, "status": {"conditions": [ready]}},),
            leases=({**lease, "spec": {"renewTime": renewed}},),
        )
        assert ("ClockSkew" in codes(seen)) is skewed, seconds


def test_an_operator_that_has_not_looked_at_a_change_for_a_minute_is_behind() -> None:
    changed = pool()
    changed["metadata"] |= {"generation": 2, "managedFields": [{"manager": "kubectl", "time": EARLIER}]}
    assert codes(snapshot(asrcardpools=(changed,))) == {"OperatorBehind"}
    changed["metadata"]["managedFields"].append({"manager": "kubectl", "time": NOW.isoformat()})
    assert codes(snapshot(asrcardpools=(changed,))) == set()


def test_an_object_of_another_version_is_named_and_left_out() -> None:
    strange = {"metadata": {"name": "cards"}, "spec": {"driver": "quantum"}}
    assert codes(snapshot(asrcardpools=(strange,))) == {"ObjectUnreadable"}


def test_a_machine_that_the_rollout_has_switched_off_is_no_finding() -> None:
    power = {"step": "KeptOff", "since": EARLIER}
    rollout = {"state": "PowerCycling", "since": EARLIER, "power": power}
    spec = {"poolRef": {"name": "cards"}, "nodeName": "node-a", "driver": "achronix", "rollout": rollout}
    node = {"metadata": {"name": "node-a"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    for reason, expected in (("PowerCycling: It is off.", False), ("NodeNotReady: It was lost.", True)):
        card_node = {"metadata": {"name": "node-a"}, "spec": {**spec, "flashReason": reason}}
        seen = snapshot(asrcardnodes=(card_node,), nodes=(node,), pods=(), daemonsets=())
        assert ("NodeNotReady" in codes(seen)) is expected


def test_a_gateway_that_is_not_programmed_is_told_once_for_all_its_models() -> None:
    gateway = {"metadata": {"name": "gharial", "namespace": "gharial-system"}, "status": {}}
    state = {"type": "RouteAccepted", "status": "False", "reason": "RoutePending", "message": "Not judged."}
    state |= {"lastTransitionTime": EARLIER}
    routing = {"gatewayRef": {"name": "gharial", "namespace": "gharial-system"}}
    two = tuple({**model(name, routing=routing), "status": {"conditions": [state]}} for name in ("a", "b"))
    [found] = examine(snapshot(asrmodels=two, gateways=(gateway,)))
    assert found.code == "GatewayNotReady" and "Model default/a and default/b" in found.says


def test_a_replica_of_the_operator_that_fails_beside_a_good_one_is_a_warning() -> None:
    head = {"name": "gharial-operator", "namespace": "gharial-system", "labels": part("operator")}
    deployment = {"metadata": head, "spec": {"replicas": 2}, "status": {"readyReplicas": 1}}
    waiting = {"name": "operator", "image": "x", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    pod = {"metadata": {**head, "name": "operator-2"}, "status": {"containerStatuses": [waiting]}}
    [found] = examine(snapshot(deployments=(deployment,), pods=(pod,)))
    assert (found.code, found.severity) == ("PodFailing", "warning")


def test_without_our_own_objects_the_status_says_that_nothing_was_seen() -> None:
    seen = replace(snapshot(), objects={}, gaps=(Gap("asrcardpools", "you may not read them", "list asrcardpools"),))
    assert status(seen, []) == UNSEEN
    assert "needs the right: list asrcardpools" in plain(seen, [])
