"""A licence ends in the middle of service: live streams go on, new ones go elsewhere, a renewal cures."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gharial_cluster.demo.recording import transcribe
from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site, wait_until
from gharial_cluster.network_plan import NODES

from .hardware import Hardware, agent_of, told_by_agent
from .streams import LiveStream, busy_pods, joined, offline_transcripts


def test_live_streams_go_on_and_new_ones_go_elsewhere_until_it_is_renewed(
    site: Site, recordings: list[Path], offline: dict[Path, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    hardware = Hardware(site)
    long = joined(recordings, 1, tmp_path)
    stream = LiveStream(long, site.gateway_url())
    wait_until(lambda: bool(busy_pods(site)), 60, lambda: "no pod reports a stream")
    [pod] = busy_pods(site)
    node = site.get("pod", pod, "speech")["spec"]["nodeName"]  # type: ignore[index]
    [other] = set(NODES) - {node}
    cards = {name: hardware.card_id(name) for name in NODES}
    today = datetime.now(UTC).date()
    request.addfinalizer(lambda: site.licence_cards(list(cards.values())))
    yesterday, soon = today - timedelta(days=1), today + timedelta(days=20)
    site.licence_cards(list(cards.values()), {cards[node]: yesterday, cards[other]: soon})
    # Agents read licences once a minute, and at their start.
    for name in NODES:
        site.delete("pod", agent_of(site, name), SYSTEM_NAMESPACE, wait=False)
    expired = site.wait_condition(
        "asrcardpool", "simulated", "LicencesValid", "False", reason="LicenceExpired", timeout=90
    )
    assert cards[node] in expired["message"] and str(yesterday) in expired["message"]
    assert hardware.taints(node) == {"NoSchedule": "LicenceExpired", "NoExecute": "LicenceExpired"}
    wait_until(
        lambda: "LicenceExpired" in told_by_agent(site, node), 20, lambda: f"no event: {told_by_agent(site, node)}"
    )
    assert metrics(site, node)['gharial_agent_licences{state="Expired"}'] == 1.0
    wait_until(lambda: hardware.taints(other) == {}, 20, lambda: f"{other} is tainted, though its licence holds")
    ends_soon = metrics(site, other)
    assert ends_soon['gharial_agent_licences{state="ExpiresSoon"}'] == 1.0
    assert ends_soon[f'gharial_agent_licence_days_left{{unique_id="{cards[other]}"}}'] == 20.0
    for recording in recordings[:3]:
        assert transcribe(recording, site.gateway_url(), "--fast")["transcript"] == offline[recording]
    assert stream.running, "the recording was too short for all this"
    heard = stream.result()
    assert (heard["reconnects"], heard["transcript"]) == (0, offline_transcripts([long])[long])
    site.licence_cards(list(cards.values()), {cards[other]: soon})
    site.wait_condition(
        "asrcardpool", "simulated", "LicencesValid", "True", reason="LicenceExpiresSoon", timeout=60
    )  # fmt: skip
    site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=90)
    assert hardware.taints(node) == {}


def metrics(site: Site, node: str) -> dict[str, float]:
    """What the node's agent exports."""
    raw = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods/{agent_of(site, node)}:8081/proxy/metrics"
    lines = [line.rsplit(" ", 1) for line in site.cluster.kubectl("get", "--raw", raw).splitlines() if line[0] != "#"]
    return {name: float(value) for name, value in lines}
