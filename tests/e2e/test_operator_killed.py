"""The operator dies again and again while it works: the end is the same as without."""

from typing import Any

from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site, example, wait_until

OWNED = ["deployments", "services", "httproutes", "resourceclaimtemplates", "poddisruptionbudgets"]


def specs(site: Site) -> dict[str, Any]:
    """What the operator made for the model, without what servers fill in."""
    found = {}
    for kind in OWNED:
        for item in site.objects(kind, "speech"):
            spec = {key: value for key, value in item["spec"].items() if key not in {"clusterIP", "clusterIPs"}}
            found[f"{kind}/{item['metadata']['name']}"] = spec
    return found


def kill_operators(site: Site) -> None:
    """SIGKILL to every operator process, wherever it runs; no goodbye, no lease given back."""
    for pod in site.objects("pods", SYSTEM_NAMESPACE, "app.kubernetes.io/component=operator"):
        site.cluster.kubectl(
            "delete", "pod", pod["metadata"]["name"], "-n", SYSTEM_NAMESPACE, "--grace-period=0", "--force"
        )


def test_a_model_applied_while_operators_die_ends_as_always(site: Site) -> None:
    expected = specs(site)
    assert expected
    site.delete("asrmodel", "general", "speech")
    wait_until(lambda: not specs(site), 120, lambda: f"left behind: {list(specs(site))}")
    site.apply(*example("model"))
    for _ in range(3):
        kill_operators(site)
        seen = len(specs(site))
        wait_until(lambda seen=seen: len(specs(site)) > seen or specs(site) == expected, 90, lambda: "nothing moves")
    site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=180)
    assert specs(site) == expected
