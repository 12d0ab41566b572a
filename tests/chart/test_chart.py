"""The chart renders what the repository means, and refuses values that cannot work. Real helm, no cluster."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from gharial_cluster.binaries.store import Binaries
from gharial_cluster.paths import checkout_root

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
    manifests = rendered("simulatedCards.enabled=true")
    workloads = of_kind(manifests, "Deployment") + of_kind(manifests, "DaemonSet")
    assert len(workloads) == 3
    for workload in workloads:
        for container in workload["spec"]["template"]["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_operator_runs_without_root() -> None:
    [operator] = of_kind(rendered(), "Deployment")
    assert operator["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True


def test_server_pods_have_an_image_for_cores_and_one_for_gpus() -> None:
    [operator] = of_kind(rendered("image.tags.server-cuda=v9"), "Deployment")
    arguments = operator["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--cuda-server-image=gharial/server-cuda:v9" in arguments
    assert any(word.startswith("--server-image=gharial/server:") for word in arguments)


def test_without_a_gateway_nothing_of_the_gateway_api_is_made() -> None:
    groups = {manifest["apiVersion"].split("/")[0] for manifest in rendered("gateway.enabled=false")}
    assert not {group for group in groups if "gateway" in group}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("operator.replicas=0", "replicas"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("gateway.drainTimeout=forever", "drainTimeout"),
        ("agent.kubeletRoot=var/lib/kubelet", "kubeletRoot"),
        ("simulatedCards.cardsPerNode=9", "cardsPerNode"),
        ("licensing.publicKey=-----BEGIN PRIVATE KEY-----", "publicKey"),
        ("replicas=3", "replicas"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(value: str, named: str) -> None:
    done = helm("template", "gharial", str(CHART), "--set", value)
    assert done.returncode != 0
    assert named in done.stderr
