"""The one real cluster of a test session: started when the first test asks for it, gone when the last is done."""

from collections.abc import Iterator

import pytest
from gharial_cluster.cluster import Cluster
from gharial_cluster.paths import checkout_root, default_name
from gharial_cluster.progress import Progress


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes, names and the gateway's controller; beside the cluster of the checkout's demo, not in its place."""
    box = Cluster.named(f"{default_name(checkout_root())}-test")
    try:
        box.up(Progress())
        yield box
    finally:
        box.down()
