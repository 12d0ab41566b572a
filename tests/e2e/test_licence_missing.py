"""A card for which there is no licence among those of the others serves nobody, and pool and node name it."""

from collections.abc import Iterator

import pytest
from gharial_cluster.demo.site import Site


@pytest.fixture
def card_without_licence(site: Site) -> Iterator[str]:
    """The last card's licence is gone until the test is over."""
    every = site.card_ids()
    site.licence_cards(every[:-1])
    yield every[-1]
    site.licence_cards(every)


def test_the_card_is_named_in_the_pools_condition(site: Site, card_without_licence: str) -> None:
    condition = site.wait_condition(
        "asrcardpool", "simulated", "LicencesValid", "False", reason="LicenceForAnotherCard", timeout=120
    )
    assert card_without_licence in condition["message"]
    states = {
        card["uniqueId"]: card["licence"]["state"]
        for node in site.objects("asrcardnodes")
        for card in node["status"]["cards"]
    }
    assert states.pop(card_without_licence) == "WrongCard"
    assert set(states.values()) == {"Valid"}
