"""The page in Debian's Chromium, served by a real `gharial serve`. Faked: the microphone, which plays a recording."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsed_page import CHROMIUM, Server, serving
from gharial_cluster.preflight import install_packages
from gharial_cluster.progress import Progress

STARTER = Path(__file__).resolve().parents[2] / "models/starter/starter.gharial"


@pytest.fixture(scope="session", autouse=True)
def chromium() -> None:
    """Debian's Chromium, installed where it is missing."""
    if not CHROMIUM.exists():
        install_packages(["chromium"], Progress())


@pytest.fixture(scope="session")
def starter() -> Iterator[Server]:
    """The starter model on this machine's processor, greedy."""
    with serving("--checkpoint", str(STARTER)) as server:
        yield server


@pytest.fixture(scope="session")
def beam() -> Iterator[Server]:
    """The starter model with beam search."""
    with serving("--checkpoint", str(STARTER), "--decoder", "beam") as server:
        yield server


@pytest.fixture(scope="session")
def silent() -> Iterator[Server]:
    """The null engine with room for one stream."""
    with serving("--backend", "null", "--capacity", "1") as server:
        yield server
