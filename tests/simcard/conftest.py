"""A real `gharial simcard` process and the real flash tool; nothing is faked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated_cards import Cards


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Cards]:
    words = ["--cards", "2", "--id-seed", "node-a", "--boot-seconds", "0.2", "--write-rate", "4e6", "--without-compute"]
    box = Cards(tmp_path / "run", words)
    box.start()
    yield box
    box.kill()
