"""A file that is not what its sha256 says never reaches a card or a server, and the status says so."""

import hashlib
from pathlib import Path

from gharial_cluster.demo.recording import transcribe
from gharial_cluster.demo.site import Site, example

WRONG = "0" * 64


def test_a_wrong_bitstream_is_not_flashed_and_the_pool_says_so(
    site: Site, recordings: list[Path], offline: dict[Path, str]
) -> None:
    site.put_bitstream("1.13.0")
    [pool] = example("pool")
    right = pool["spec"]["bitstream"]
    pool["spec"]["bitstream"] = {
        "version": "1.13.0",
        "configMap": {"name": "bitstream-1-13-0", "key": "bitstream.flash"},
        "sha256": WRONG,
    }
    site.apply(pool)
    try:
        condition = site.wait_condition("asrcardpool", "simulated", "Degraded", reason="ChecksumMismatch", timeout=90)
        found = (site.cluster.paths.root / "bitstreams" / "1.13.0.flash").read_bytes()
        assert WRONG in condition["message"] and hashlib.sha256(found).hexdigest() in condition["message"]
        versions = {card["bitstream"] for node in site.objects("asrcardnodes") for card in node["status"]["cards"]}
        assert versions == {"1.14.0"}
        assert not [node["metadata"]["name"] for node in site.objects("nodes") if node["spec"].get("unschedulable")]
        streamed = transcribe(recordings[0], site.gateway_url(), "--fast")
        assert streamed["transcript"] == offline[recordings[0]]
    finally:
        pool["spec"]["bitstream"] = right
        site.apply(pool)


def test_a_wrong_model_is_not_served_and_the_model_says_so(
    site: Site, recordings: list[Path], offline: dict[Path, str]
) -> None:
    *_, model = example("model")
    right = model["spec"]["model"]["checkpoint"]["sha256"]
    model["spec"]["model"]["checkpoint"]["sha256"] = WRONG
    site.apply(model)
    try:
        condition = site.wait_condition(
            "asrmodel", "general", "Ready", "False", namespace="speech", reason="ChecksumMismatch", timeout=120
        )
        assert WRONG in condition["message"]
        assert right in condition["message"]
        # The rollout stands still: pods of the right model go on serving.
        streamed = transcribe(recordings[0], site.gateway_url(), "--fast")
        assert streamed["transcript"] == offline[recordings[0]]
    finally:
        model["spec"]["model"]["checkpoint"]["sha256"] = right
        site.apply(model)
