"""First light: a recording streamed through the gateway becomes words, and the same words as offline."""

from pathlib import Path

import httpx
from gharial_api.names import STREAM_PATH
from gharial_cluster.demo.recording import transcribe
from gharial_cluster.demo.site import Site
from gharial_cluster.network_plan import NODES


def test_a_stream_through_the_gateway_equals_the_offline_decode(
    site: Site, recordings: list[Path], offline: dict[Path, str]
) -> None:
    for recording in recordings:
        streamed = transcribe(recording, site.gateway_url(), "--fast")
        assert streamed["transcript"] == offline[recording], recording.name
        assert streamed["transcript"], "a recording of speech gave no word"


def test_the_gateway_answers_on_every_node(site: Site, recordings: list[Path], offline: dict[Path, str]) -> None:
    for node in NODES:
        streamed = transcribe(recordings[0], site.gateway_url(node), "--fast")
        assert streamed["transcript"] == offline[recordings[0]]


def test_two_pods_on_two_nodes_hold_one_card_each(site: Site) -> None:
    pods = site.objects("pods", "speech", "asr.gharial.dev/model=general")
    assert {pod["spec"]["nodeName"] for pod in pods} == set(NODES)
    claims = site.objects("resourceclaims", "speech")
    devices = [
        (result["pool"], result["device"])
        for claim in claims
        for result in claim["status"]["allocation"]["devices"]["results"]
    ]
    assert len(set(devices)) == len(pods) == 2


def test_the_gateway_leads_to_the_page_and_the_page_to_the_gateway(site: Site) -> None:
    url = site.gateway_url().replace("ws:", "http:").removesuffix(STREAM_PATH)
    assert "<title>Gharial</title>" in httpx.get(f"{url}/").raise_for_status().text
    assert httpx.get(f"{url}/ui/config.json").json()["stream"] == {"port": None, "path": STREAM_PATH}
