"""A server pod goes away in the middle of a stream: its client reconnects and goes on."""

from pathlib import Path

from gharial_cluster.demo.site import Site, wait_until

from .streams import LiveStream, busy_pods, joined, likeness


def test_the_client_reconnects_and_hears_the_recording_to_its_end(
    site: Site, recordings: list[Path], tmp_path: Path
) -> None:
    long = joined(recordings, 2, tmp_path)
    stream = LiveStream(long, site.gateway_url())
    wait_until(lambda: bool(busy_pods(site)), 60, lambda: "no pod reports a stream")
    [pod] = busy_pods(site)
    # No grace: the pod dies at once, as when its node is lost.
    site.cluster.kubectl("delete", "pod", pod, "-n", "speech", "--grace-period=0", "--force")
    heard = stream.result()
    assert heard["reconnects"] >= 1
    assert len(set(heard["streams"])) == heard["reconnects"] + 1
    assert likeness(heard, long) > 0.7, heard["transcript"]


def test_a_pod_that_is_asked_to_leave_lets_its_stream_finish(
    site: Site, recordings: list[Path], offline: dict[Path, str]
) -> None:
    stream = LiveStream(recordings[0], site.gateway_url())
    wait_until(lambda: bool(busy_pods(site)), 60, lambda: "no pod reports a stream")
    [pod] = busy_pods(site)
    site.delete("pod", pod, "speech", wait=False)
    heard = stream.result()
    assert heard["reconnects"] == 0
    assert heard["transcript"] == offline[recordings[0]]
