"""`gharial check` on the real cluster: quiet while all is well, and one fault is named with its remedy."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site

from .streams import GHARIAL

OPERATOR = "deployment/gharial-operator"


def check(site: Site, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs it as an admin would."""
    command = [*GHARIAL, "check", "--kubeconfig", str(site.cluster.kubeconfig), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def findings(site: Site) -> dict[str, dict[str, Any]]:
    """What it finds, by code."""
    return {each["code"]: each for each in json.loads(check(site, "--json").stdout)["findings"]}


@pytest.fixture
def no_operator(site: Site) -> Iterator[None]:
    """The operator is scaled away until the test is over."""
    kubectl = site.cluster.kubectl
    kubectl("-n", SYSTEM_NAMESPACE, "scale", OPERATOR, "--replicas=0")
    yield
    kubectl("-n", SYSTEM_NAMESPACE, "scale", OPERATOR, "--replicas=2")
    kubectl("-n", SYSTEM_NAMESPACE, "rollout", "status", OPERATOR, "--timeout=120s")


def test_the_site_is_healthy_and_its_bundle_holds_the_logs_of_every_part(site: Site, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    said = check(site, "-o", str(bundle))
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.strip().endswith("✓ Healthy."), said.stdout
    with tarfile.open(bundle) as archive:
        logs = {name.split("/")[-1].partition(".")[0] for name in archive.getnames() if "/logs/" in name}
        cards = archive.extractfile("gharial-check/cards.json")
        assert cards is not None
        assert [card["licence"]["state"] for card in json.load(cards)] == ["Valid", "Valid"]
    assert {"operator", "agent", "server"} <= logs


def test_an_operator_that_is_away_is_the_one_thing_it_names(site: Site, no_operator: None) -> None:
    found = findings(site)
    assert [code for code, each in found.items() if each["severity"] == "error"] == ["OperatorDown"]
    assert "--replicas=2" in found["OperatorDown"]["remedy"]
