"""A server pod goes away in the middle of a stream: its client reconnects and goes on."""

from difflib import SequenceMatcher
from pathlib import Path

from gharial_cluster.demo.site import Site, wait_until

from .streams import LiveStream, joined, offline_transcripts

FRAME_SECONDS = 0.06


def busy_pods(site: Site) -> list[str]:
    """Server pods that carry a stream now, by their own count."""
    names = [pod["metadata"]["name"] for pod in site.objects("pods", "speech", "asr.gharial.dev/model=general")]
    return [name for name in names if active_streams(site, name) > 0]


def active_streams(site: Site, pod: str) -> int:
    """gharial_streams_active as a pod reports it."""
    raw = f"/api/v1/namespaces/speech/pods/{pod}:8080/proxy/metrics"
    lines = site.cluster.kubectl("get", "--raw", raw).splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("gharial_streams_active"))


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
    # Every frame of the recording was answered, and the words are those of an unbroken stream, but for the place where
    # the new pod began: the network hears it without what was said before.
    assert heard["answers"] >= int(heard["audio_seconds"] / FRAME_SECONDS)
    whole = offline_transcripts([long])[long].split()
    alike = SequenceMatcher(a=whole, b=heard["transcript"].split(), autojunk=False)
    assert alike.ratio() > 0.7, (heard["transcript"], whole)


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
