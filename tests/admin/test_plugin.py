"""`kubectl gharial`, called by the real kubectl."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from api_server import ROOT, Api
from gharial_admin.plugin.main import main
from gharial_cluster.binaries.store import Binaries
from installation import NODES, POOLS, good_card, user_kubeconfig
from machines import CARD_NODES, report
from rollout_hands import agents, reconcile, state

SOURCES = os.pathsep.join(str(ROOT / name) for name in ("cli", "operator", "server"))
OLD = {"version": "1.2.0", "url": "https://example.com/card.bit", "sha256": "0123456789abcdef" * 4}
NEW = {"version": "1.3.0", "configMap": {"name": "bits", "key": "new"}, "sha256": "3" * 64}


@pytest.fixture
def kubectl(installed: Api, tmp_path: Path) -> "Kubectl":
    """kubectl with the plugin on its PATH, as pip would install it."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name in ("kubectl-gharial", "kubectl_complete-gharial"):
        module, function = scripts[name].split(":")
        script = tmp_path / name
        script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        script.chmod(0o755)
    return Kubectl(tmp_path)


class Kubectl:
    """Runs `kubectl gharial …`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        program = Binaries.default().ensure("kubectl")["kubectl"]
        environment = {**os.environ, "PATH": f"{self._folder}:{os.environ['PATH']}", "PYTHONPATH": SOURCES}
        return subprocess.run(
            [str(program), "gharial", *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def complete(self, *words: str) -> list[str]:
        """What kubectl's completion is offered."""
        environment = {**os.environ, "PYTHONPATH": SOURCES}
        script = str(self._folder / "kubectl_complete-gharial")
        done = subprocess.run([script, *words], env=environment, capture_output=True, text=True, timeout=60, check=True)
        return [line.split("\t")[0] for line in done.stdout.splitlines()]


Plugin = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def gharial(installed: Api) -> Plugin:
    """The plugin in this process: the same without kubectl's way to it."""

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words)
        return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())

    return run


def want(api: Api, bitstream: dict[str, object]) -> None:
    """The admin applies a pool with another bitstream."""
    source = {"url": None, "configMap": None}
    api.merge(f"{POOLS}/cards", {"spec": {"bitstream": {**source, **bitstream}}})


def roll(api: Api, rounds: int = 12) -> None:
    """Operator and agents work."""
    for _ in range(rounds):
        reconcile()
        agents(api)


def asked(api: Api) -> dict[str, object]:
    """The pool's bitstream as it stands."""
    return dict(api.get(f"{POOLS}/cards")["spec"]["bitstream"])


def test_kubectl_finds_it_and_shows_its_help(kubectl: Kubectl) -> None:
    said = kubectl("--help")
    assert said.returncode == 0 and said.stdout.startswith("usage: kubectl gharial")
    assert kubectl("rollout", "status", "--help").stdout.count("Exit status:") == 1


def test_status_shows_pools_nodes_and_models_on_one_screen(kubectl: Kubectl) -> None:
    said = kubectl("status")
    assert said.returncode == 0, said.stderr
    assert "✓ Healthy" in said.stdout
    assert "cards   simulated   2       2/2     0/32      1.2.0       done, 2/2" in said.stdout
    assert len(said.stdout.splitlines()) < 25
    parsed = json.loads(kubectl("status", "cards", "-o", "json").stdout)
    assert [pool["name"] for pool in parsed["pools"]] == ["cards"]


def test_status_says_what_is_wrong_before_the_tables(installed: Api, gharial: Plugin) -> None:
    report(installed, "node-b", good_card(1, health="Unhealthy", healthMessage="It left the bus.", phase="Failed"))
    reconcile()
    said = gharial("status")
    assert said.returncode == 1
    assert said.stdout.index("✗ card node-b 0000:3b:00.0") < said.stdout.index("POOL ")


def test_cards_are_a_table_and_json(installed: Api, gharial: Plugin) -> None:
    licence = {"state": "Expired", "expires": "2026-10-01", "message": "The licence ended."}
    report(installed, "node-b", good_card(1, licence=licence))
    lines = gharial("cards").stdout.splitlines()
    assert " ".join(lines[0].split()) == "NODE ADDRESS ID BITSTREAM LICENCE ENDS HEALTH STREAMS PHASE WHY"
    assert lines[2].split()[:6] == ["node-b", "0000:3b:00.0", "0123456789abcd01", "1.2.0", "Expired", "2026-10-01"]
    assert [card["why"] for card in json.loads(gharial("cards", "--json").stdout)] == ["", "The licence ended."]


def test_rollout_status_tells_scripts_done_under_way_and_stopped(installed: Api, gharial: Plugin) -> None:
    assert gharial("rollout", "status", "cards").returncode == 0
    want(installed, NEW)
    unseen = gharial("rollout", "status")
    assert unseen.returncode == 3 and "has not looked at the last change yet" in unseen.stdout
    reconcile()
    for number, node in enumerate(NODES):
        report(installed, node, good_card(number))
    reconcile()
    moving = gharial("rollout", "status", "cards")
    assert moving.returncode == 3
    assert "0 of 2 nodes on 1.3.0; under way: node-a (Drained)" in moving.stdout
    assert "WaitingForBudget" in moving.stdout
    gharial("rollout", "pause", "cards")
    roll(installed, 3)
    stopped = gharial("rollout", "status", "cards", "--json")
    [found] = json.loads(stopped.stdout)
    assert (stopped.returncode, found["state"]) == (4, "stopped")
    assert "paused is true" in found["says"]


def test_watching_ends_when_the_rollout_is_done_or_the_time_is_over(installed: Api, gharial: Plugin) -> None:
    want(installed, NEW)
    reconcile()
    over = gharial("rollout", "status", "cards", "--watch", "--timeout", "1")
    assert over.returncode == 3 and "not done after 1 s" in over.stdout
    roll(installed)
    done = gharial("rollout", "status", "cards", "--watch", "--timeout", "30")
    assert done.returncode == 0 and "2 of 2 nodes on 1.3.0." in done.stdout


def test_pause_and_resume_change_one_field(installed: Api, gharial: Plugin) -> None:
    assert "resume cards" in gharial("rollout", "pause", "cards").stdout
    assert installed.get(f"{POOLS}/cards")["spec"]["upgradePolicy"]["paused"] is True
    assert "is paused already" in gharial("rollout", "pause").stdout
    assert gharial("rollout", "resume", "cards").returncode == 0
    assert installed.get(f"{POOLS}/cards")["spec"]["upgradePolicy"]["paused"] is False


def test_retry_gives_a_new_word_of_reset(installed: Api, gharial: Plugin) -> None:
    assert gharial("rollout", "retry", "cards").returncode == 0
    assert installed.get(f"{POOLS}/cards")["spec"]["upgradePolicy"]["reset"].startswith("20")


def test_undo_after_a_finished_rollout_leads_back_and_undoing_that_leads_forward(
    installed: Api, gharial: Plugin
) -> None:
    want(installed, NEW)
    roll(installed)
    assert gharial("rollout", "status").returncode == 0
    said = gharial("rollout", "undo", "cards")
    assert said.returncode == 0 and "1.3.0 → 1.2.0" in said.stdout, said.stderr
    assert asked(installed) == OLD
    roll(installed)
    assert gharial("rollout", "undo").returncode == 0
    assert asked(installed) == NEW


def test_undo_in_the_middle_leads_to_the_bitstream_that_the_pool_came_from(installed: Api, gharial: Plugin) -> None:
    want(installed, NEW)
    for _ in range(20):
        roll(installed, 1)
        if state(installed, "node-a") == "Done":
            break
    assert gharial("rollout", "status").returncode == 3
    assert gharial("rollout", "undo").returncode == 0
    assert asked(installed) == OLD
    roll(installed)
    assert gharial("rollout", "status").returncode == 0
    assert {node["status"]["cards"][0]["bitstream"] for node in installed.items(CARD_NODES)} == {"1.2.0"}


def test_undo_never_leads_to_a_bitstream_that_was_never_seen_to_serve(installed: Api, gharial: Plugin) -> None:
    want(installed, NEW)
    reconcile()
    want(installed, {"version": "1.4.0", "url": "https://example.com/4", "sha256": "4" * 64})
    reconcile()
    assert gharial("rollout", "undo").returncode == 0
    assert asked(installed) == OLD


def test_undo_refuses_when_nothing_else_is_known(installed: Api, gharial: Plugin) -> None:
    said = gharial("rollout", "undo", "cards")
    assert said.returncode == 1
    assert "no bitstream before this one is known" in said.stderr and "Apply the old" in said.stderr
    assert asked(installed) == OLD


def test_a_pool_that_is_not_there_is_refused_with_those_that_are(kubectl: Kubectl) -> None:
    said = kubectl("rollout", "status", "nope")
    assert (said.returncode, said.stderr) == (1, "kubectl gharial: there is no AsrCardPool nope; there is cards\n")


def test_who_may_not_change_pools_is_told_the_missing_right(installed: Api, gharial: Plugin, tmp_path: Path) -> None:
    rule = {"apiGroups": ["asr.gharial.dev"], "resources": ["asrcardpools", "asrcardnodes"], "verbs": ["list"]}
    file = user_kubeconfig(installed, "viewer", [rule], tmp_path)
    assert gharial("rollout", "status", "--kubeconfig", str(file)).returncode == 0
    said = gharial("rollout", "pause", "--kubeconfig", str(file))
    assert said.returncode == 1
    assert "you may not patch asrcardpools.asr.gharial.dev" in said.stderr and "gharial-admin" in said.stderr


def test_a_field_that_a_deployment_tool_keeps_is_changed_with_a_note(installed: Api, gharial: Plugin) -> None:
    body = {"spec": {"upgradePolicy": {"paused": True}}}
    installed.request("PATCH", f"{POOLS}/cards?fieldManager=argocd-controller", body, "application/merge-patch+json")
    said = gharial("rollout", "resume", "cards")
    assert "argocd-controller also writes this field" in said.stderr


def test_completion_offers_verbs_steps_and_pools(kubectl: Kubectl) -> None:
    assert kubectl.complete("") == ["status", "cards", "rollout", ":4"]
    assert kubectl.complete("rollout", "re") == ["resume", "retry", ":4"]
    assert kubectl.complete("rollout", "undo", "") == ["cards", ":4"]
