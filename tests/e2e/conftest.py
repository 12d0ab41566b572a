"""The real two-node cluster with Gharial on it, made once for all end-to-end tests and left as each test found it.

Nothing is faked here but the hardware: two simulated cards, one per node, play the FPGA cards.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gharial_cluster.cluster import Cluster
from gharial_cluster.demo.site import Site
from gharial_cluster.demo.stages import bring_up
from gharial_cluster.paths import checkout_root
from gharial_cluster.progress import Progress

from .streams import offline_transcripts

SAMPLES = checkout_root() / "models" / "starter" / "samples"


@pytest.fixture(scope="session")
def site(cluster: Cluster) -> Site:
    """Gharial installed, both nodes' cards flashed and licensed, the starter model served by two pods."""
    site = Site.on(cluster)
    bring_up(site, Progress())
    return site


@pytest.fixture(autouse=True)
def whole(site: Site) -> Iterator[None]:
    """Every test finds pool and model Ready, and says so itself when it leaves them otherwise."""
    site.wait_condition("asrcardpool", "simulated", "Ready", timeout=180)
    site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=180)
    yield


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """Real human recordings with what is said beside them."""
    found = sorted(SAMPLES.glob("*.flac"))
    assert found, f"no recordings in {SAMPLES}"
    return found


@pytest.fixture(scope="session")
def offline(recordings: list[Path]) -> dict[Path, str]:
    """What the same artefact makes of each recording without any server."""
    return offline_transcripts(recordings)


@pytest.fixture(scope="session")
def short(offline: dict[Path, str]) -> dict[Path, str]:
    """Recordings of some seconds: a node is drained as soon as the last of them has ended."""
    return {recording: words for recording, words in offline.items() if recording.name != "digits.flac"}
