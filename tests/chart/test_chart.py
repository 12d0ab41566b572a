"""The chart renders what the repository means, and refuses values that cannot work. Real helm, no cluster."""

import argparse
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import gharial_agent.web
import gharial_operator.metrics
import pytest
import yaml
from gharial_agent.cli import add_arguments
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.paths import checkout_root
from prometheus_client.metrics import MetricWrapperBase

CHART = checkout_root() / "charts" / "gharial"


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs helm."""
    program = Binaries.default().ensure("helm")["helm"]
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=60, check=False)


def rendered(*sets: str) -> list[dict[str, Any]]:
    """The chart's manifests with some values set."""
    words = [word for value in sets for word in ("--set", value)]
    done = helm("template", "gharial", str(CHART), "--namespace", "gharial-system", *words)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def test_helm_lint_finds_nothing() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_crds_are_those_of_the_repository_and_outlive_the_release() -> None:
    found = {crd["metadata"]["name"]: crd for crd in of_kind(rendered(), "CustomResourceDefinition")}
    files = {Path(file).name: yaml.safe_load(file.read_text()) for file in (checkout_root() / "crds").glob("*.yaml")}
    assert set(found) == {crd["metadata"]["name"] for crd in files.values()}
    for crd in files.values():
        twin = found[crd["metadata"]["name"]]
        assert twin["spec"] == crd["spec"]
        assert twin["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_every_container_has_a_read_only_root_and_no_capability() -> None:
    manifests = rendered("simulatedCards.enabled=true", "gpus.enabled=true")
    workloads = of_kind(manifests, "Deployment") + of_kind(manifests, "DaemonSet")
    assert len(workloads) == 4
    for workload in workloads:
        for container in workload["spec"]["template"]["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_only_the_agent_of_achronix_nodes_is_privileged_and_no_node_has_two_agents() -> None:
    assert len(of_kind(rendered(), "DaemonSet")) == 1
    manifests = rendered("achronixCards.enabled=true", "achronixCards.jtag.0123456789abcdef=ACVP8070192")
    usual, achronix = sorted(of_kind(manifests, "DaemonSet"), key=lambda agent: len(agent["metadata"]["name"]))
    assert usual["spec"]["selector"] != achronix["spec"]["selector"]
    pods = [agent["spec"]["template"]["spec"] for agent in (usual, achronix)]
    assert ["privileged" in pod["containers"][0]["securityContext"] for pod in pods] == [False, True]
    assert pods[1]["nodeSelector"] == {"asr.gharial.dev/cards": "achronix"}
    [term] = pods[0]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "asr.gharial.dev/cards", "operator": "NotIn", "values": ["achronix"]}]
    mounted = {mount["mountPath"] for mount in pods[1]["containers"][0]["volumeMounts"]}
    assert {"/opt", "/dev/bus/usb", "/etc/gharial/achronix"} <= mounted
    assert mounted - {mount["mountPath"] for mount in pods[0]["containers"][0]["volumeMounts"]} == {
        "/opt", "/dev/bus/usb", "/etc/gharial/achronix",
    }  # fmt: skip
    [settings] = [m for m in of_kind(manifests, "ConfigMap") if m["metadata"]["name"] == "gharial-achronix"]
    assert json.loads(settings["data"]["jtag.json"]) == {"0123456789abcdef": "ACVP8070192"}


def test_the_agents_arguments_for_achronix_cards_are_options_of_the_agent() -> None:
    values = [
        "achronixCards.enabled=true",
        "achronixCards.ace=chroot /host /opt/ace",
        "achronixCards.verify=proc x {} {}",
    ]
    agents = of_kind(rendered(*values), "DaemonSet")
    [words] = [
        agent["spec"]["template"]["spec"]["containers"][0]["args"]
        for agent in agents
        if agent["metadata"]["name"] == "gharial-achronix-agent"
    ]
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    found = parser.parse_args(words[1:])
    assert found.ace == "chroot /host /opt/ace"
    assert str(found.ace_verify) == "/etc/gharial/achronix/verify.tcl"


def test_the_operator_runs_without_root() -> None:
    [operator] = of_kind(rendered(), "Deployment")
    assert operator["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True


def test_server_pods_have_an_image_for_cores_and_one_for_gpus() -> None:
    [operator] = of_kind(rendered("image.tags.server-cuda=v9"), "Deployment")
    arguments = operator["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--cuda-server-image=gharial/server-cuda:v9" in arguments
    assert any(word.startswith("--server-image=gharial/server:") for word in arguments)


def test_gpus_are_read_only_where_asked_for_by_a_pod_that_sees_them_and_takes_none() -> None:
    assert "gharial-gpu-agent" not in {item["metadata"]["name"] for item in of_kind(rendered(), "DaemonSet")}
    sets = {item["metadata"]["name"]: item for item in of_kind(rendered("gpus.enabled=true"), "DaemonSet")}
    pod = sets["gharial-gpu-agent"]["spec"]["template"]["spec"]
    assert (pod["runtimeClassName"], pod["nodeSelector"]) == ("nvidia", {"nvidia.com/gpu.present": "true"})
    assert pod["securityContext"]["runAsNonRoot"] is True
    [agent] = pod["containers"]
    environment = {entry["name"]: entry.get("value") for entry in agent["env"]}
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert environment["NVIDIA_DRIVER_CAPABILITIES"] == "utility"
    assert not [name for name in agent["resources"]["limits"] if name.startswith("nvidia.com/")]
    plain = rendered("gpus.enabled=true", "gpus.runtimeClassName=")
    assert not [p for p in of_kind(plain, "DaemonSet") if "runtimeClassName" in p["spec"]["template"]["spec"]]


def test_envoys_are_apart_and_go_one_at_a_time_and_more_of_the_envoy_proxy_is_merged_over_that() -> None:
    [proxy] = of_kind(
        rendered("gateway.envoyProxy.provider.kubernetes.envoyDeployment.container.image=mine"), "EnvoyProxy"
    )
    kubernetes = proxy["spec"]["provider"]["kubernetes"]
    assert kubernetes["envoyPDB"] == {"maxUnavailable": 1}
    assert (kubernetes["envoyDeployment"]["replicas"], kubernetes["envoyDeployment"]["container"]) == (
        2,
        {"image": "mine"},
    )
    [apart] = kubernetes["envoyDeployment"]["pod"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert apart["topologyKey"] == "kubernetes.io/hostname"
    assert apart["labelSelector"]["matchLabels"]["gateway.envoyproxy.io/owning-gateway-name"] == "gharial"


def test_without_a_gateway_nothing_of_the_gateway_api_is_made() -> None:
    groups = {manifest["apiVersion"].split("/")[0] for manifest in rendered("gateway.enabled=false")}
    assert not {group for group in groups if "gateway" in group}


def user_role(name: str) -> dict[str, Any]:
    [role] = [role for role in of_kind(rendered(), "ClusterRole") if role["metadata"]["name"] == name]
    return role


@pytest.mark.parametrize("name", ["view", "edit", "admin"])
def test_the_clusters_own_roles_take_in_the_rights_to_our_objects(name: str) -> None:
    labels = user_role(f"gharial-{name}")["metadata"]["labels"]
    taken_in = [label for label in labels if "aggregate-to" in label]
    assert taken_in == [f"rbac.authorization.k8s.io/aggregate-to-{name}"]


def test_nobody_may_edit_what_the_operator_and_agents_write() -> None:
    for name in ("gharial-view", "gharial-edit", "gharial-admin", "gharial-support"):
        for rule in user_role(name)["rules"]:
            if "asrcardnodes" in rule["resources"]:
                assert set(rule["verbs"]) == {"get", "list", "watch"}


def test_support_reads_no_secret_and_changes_nothing() -> None:
    for rule in user_role("gharial-support")["rules"]:
        assert set(rule["verbs"]) <= {"get", "list", "watch"}
        assert not {"secrets", "configmaps", "pods/exec", "pods/proxy", "*"} & set(rule["resources"])


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("operator.replicas=0", "replicas"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("gateway.drainTimeout=forever", "drainTimeout"),
        ("agent.kubeletRoot=var/lib/kubelet", "kubeletRoot"),
        ("simulatedCards.cardsPerNode=9", "cardsPerNode"),
        ("gpus.runtimeClassName=NVIDIA Runtime", "runtimeClassName"),
        ("achronixCards.jtag.card-1=ACVP8070192", "card-1"),
        ("achronixCards.hostPaths[0].path=opt", "path"),
        ("licensing.publicKey=-----BEGIN PRIVATE KEY-----", "publicKey"),
        ("replicas=3", "replicas"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(value: str, named: str) -> None:
    done = helm("template", "gharial", str(CHART), "--set", value)
    assert done.returncode != 0
    assert named in done.stderr


def test_the_operator_outlives_any_node_within_seconds() -> None:
    [operator] = [item for item in of_kind(rendered(), "Deployment") if item["metadata"]["name"] == "gharial-operator"]
    pod = operator["spec"]["template"]["spec"]
    [spread] = pod["topologySpreadConstraints"]
    assert (spread["whenUnsatisfiable"], spread["nodeTaintsPolicy"]) == ("DoNotSchedule", "Honor")
    seconds = {entry["key"]: entry["tolerationSeconds"] for entry in pod["tolerations"]}
    assert seconds == {"node.kubernetes.io/not-ready": 5, "node.kubernetes.io/unreachable": 5}


def test_alerts_speak_of_metrics_that_exist_and_are_off_unless_asked_for() -> None:
    assert not of_kind(rendered(), "PrometheusRule")
    manifests = rendered("alerts.enabled=true", "alerts.labels.release=prometheus", "alerts.rolloutStuckAfter=3h")
    [rules] = of_kind(manifests, "PrometheusRule")
    [monitor] = of_kind(manifests, "PodMonitor")
    assert rules["metadata"]["labels"]["release"] == monitor["metadata"]["labels"]["release"] == "prometheus"
    named = {}
    for group in rules["spec"]["groups"]:
        for rule in group["rules"]:
            named[rule["alert"]] = rule
            words = set(re.findall(r"gharial_\w+", rule["expr"]))
            assert words and words <= exported(), rule["alert"]
            assert rule["annotations"]["summary"] and rule["annotations"]["description"]
    assert named["GharialRolloutStuck"]["for"] == "3h"
    assert "{{ $labels.node }}" in named["GharialCardBroken"]["annotations"]["summary"]


def exported() -> set[str]:
    """Names of the metrics of operator and agent as Prometheus reads them."""
    modules = (gharial_agent.web, gharial_operator.metrics)
    found = [value for module in modules for value in vars(module).values() if isinstance(value, MetricWrapperBase)]
    families = [family for metric in found for family in metric.collect()]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
