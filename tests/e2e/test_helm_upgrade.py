"""Upgrading the chart, operator and agents restarted, keeps a live stream alive."""

from pathlib import Path

from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site

from .streams import OpenStream, offline_transcripts


def pods_of(site: Site, component: str) -> set[str]:
    """A component's pods by uid, without those that are on their way out."""
    selector = f"app.kubernetes.io/component={component}"
    pods = [pod["metadata"] for pod in site.objects("pods", SYSTEM_NAMESPACE, selector)]
    return {pod["uid"] for pod in pods if "deletionTimestamp" not in pod}


def test_a_live_stream_survives_helm_upgrade_word_for_word(site: Site, recordings: list[Path], tmp_path: Path) -> None:
    before = {component: pods_of(site, component) for component in ("operator", "agent")}
    stream = OpenStream(recordings, site.gateway_url())
    site.install("podAnnotations.upgraded=yes")
    assert stream.running
    after = {component: pods_of(site, component) for component in ("operator", "agent")}
    site.install()
    said, heard = stream.end(tmp_path)
    assert heard["reconnects"] == 0
    for component, uids in before.items():
        assert uids
        assert not uids & after[component], f"{component} was not restarted"
    assert heard["transcript"] == offline_transcripts([said])[said]
