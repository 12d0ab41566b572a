"""A card dies in service: no pod keeps it, its streams go on elsewhere, and the pool names it by node and address."""

from pathlib import Path
from typing import Any

import pytest
from gharial_cluster.demo.site import Site, wait_until
from gharial_wire.card_control import Fault

from .hardware import Hardware
from .streams import LiveStream, busy_pods, joined, likeness

#: A dead card is out of the scheduler's hands, and its pod on its way out, within this time.
TAINTED_WITHIN_SECONDS = 10
ADDRESS = "0000:25:00.0"


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [(Fault.VANISH, "CardNotEnumerated", "missing on the PCI bus"), (Fault.HANG, "CardUnhealthy", "hung")],
)
def test_its_streams_go_on_elsewhere_and_a_power_cycle_brings_it_back(
    site: Site, recordings: list[Path], tmp_path: Path, fault: Fault, reason: str, words: str
) -> None:
    hardware = Hardware(site)
    # Digits: what the model makes of them hangs little on what was said before the place where another pod goes on.
    long = joined([recording for recording in recordings if recording.name.startswith("digits")], 1, tmp_path)
    stream = LiveStream(long, site.gateway_url())
    wait_until(lambda: bool(busy_pods(site)), 60, lambda: "no pod reports a stream")
    [pod] = busy_pods(site)
    node = site.get("pod", pod, "speech")["spec"]["nodeName"]  # type: ignore[index]
    with hardware.mended():
        struck = hardware.inject(node, fault)
        wait_until(lambda: bool(hardware.taints(node)), 30, lambda: "no taint", pause=0.1)
        # The API server notes whole seconds, cut off.
        seconds = hardware.tainted_at(node) + 1 - struck
        print(f"{fault}: tainted within {seconds:.1f} s")
        assert seconds < TAINTED_WITHIN_SECONDS
        assert hardware.taints(node) == {"NoSchedule": reason, "NoExecute": reason}
        told: set[tuple[str, str]] = set()
        wait_until(lambda: gone(site, pod, told), 60, lambda: f"{pod} keeps its dead card", pause=0.1)
        # A server that loses its card ends by itself at once; one whose card is silent runs on until it is sent away.
        if fault is Fault.HANG:
            assert any(health == "Unhealthy" and words in message for health, message in told), told
        condition = site.wait_condition("asrcardpool", "simulated", "Degraded", timeout=30)
        assert f"{node} {ADDRESS}" in condition["message"] and words in condition["message"]
        heard = stream.result()
    assert heard["reconnects"] >= 1
    assert likeness(heard, long) > 0.7, heard["transcript"]
    site.wait_condition("asrcardpool", "simulated", "Degraded", "False", timeout=60)
    site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=90)
    assert hardware.taints(node) == {}


def gone(site: Site, pod: str, told: set[tuple[str, str]]) -> bool:
    """Whether the pod has gone; what its own status says of its card meanwhile is added to `told`."""
    found: dict[str, Any] | None = site.get("pod", pod, "speech")
    for container in (found or {}).get("status", {}).get("containerStatuses", []):
        for claim in container.get("allocatedResourcesStatus", []):
            told |= {(resource["health"], resource.get("message", "")) for resource in claim["resources"]}
    return found is None
