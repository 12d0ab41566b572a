"""The published architectures have the published sizes."""

import pytest
from gharial_asr.architectures import ARCHITECTURES
from gharial_asr.model import parameter_shapes


@pytest.mark.parametrize(("name", "millions"), [("testing", 49), ("base", 85), ("large", 196)])
def test_an_architecture_has_its_published_number_of_parameters(name: str, millions: int) -> None:
    parameters = sum(shape.numel() for shape in parameter_shapes(ARCHITECTURES[name]).values())
    assert round(parameters / 1e6) == millions


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_answers_each_sixty_milliseconds(name: str) -> None:
    assert ARCHITECTURES[name].samples_per_step == 960
