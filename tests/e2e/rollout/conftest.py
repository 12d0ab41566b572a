"""Rollouts on the real cluster that are disturbed: each test takes the bitstream that the one before left out."""

from collections.abc import Iterator

import pytest
from gharial_cluster.demo.site import Site

from .fleet import CORDON_MARK, Fleet


@pytest.fixture(scope="package")
def fleet(site: Site) -> Iterator[Fleet]:
    """The pool, ready to be rolled out; in the end it has the bitstream that it had."""
    fleet = Fleet(site)
    yield fleet
    fleet.go_home()


@pytest.fixture(autouse=True)
def nobody_cordons(fleet: Fleet) -> Iterator[None]:
    """A test that failed with a node cordoned does not hold up those after it."""
    yield
    for node in fleet.cordoned():
        fleet.site.cluster.kubectl("uncordon", node)
        fleet.site.cluster.kubectl("annotate", "node", node, f"{CORDON_MARK}-")
