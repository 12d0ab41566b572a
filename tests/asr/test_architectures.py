"""The published architectures have the published sizes."""

import pytest
from gharial_asr.architectures import ARCHITECTURES, architecture_name
from gharial_asr.model import parameter_shapes
from tiny_models import tiny_config


@pytest.mark.parametrize(("name", "millions"), [("testing", 49), ("base", 85), ("large", 196)])
def test_an_architecture_has_its_published_number_of_parameters(name: str, millions: int) -> None:
    parameters = sum(shape.numel() for shape in parameter_shapes(ARCHITECTURES[name]).values())
    assert round(parameters / 1e6) == millions


@pytest.mark.parametrize(
    ("name", "encoder", "post_layers", "prediction", "joint", "classes"),
    [
        ("testing", 1024, 3, 512, 512, 1024),
        ("base", 1024, 6, 512, 768, 8704),
        ("large", 1536, 6, 768, 1024, 17408),
    ],
)
def test_an_architecture_has_the_published_names_and_shapes(
    name: str, encoder: int, post_layers: int, prediction: int, joint: int, classes: int
) -> None:
    expected: dict[str, tuple[int, ...]] = {
        "prediction.embed.weight": (classes - 1, prediction),
        "joint_enc.weight": (joint, encoder), "joint_enc.bias": (joint,),
        "joint_pred.weight": (joint, prediction), "joint_pred.bias": (joint,),
        "joint_net.2.weight": (classes, joint), "joint_net.2.bias": (classes,),
    }  # fmt: skip
    for stack, layers, first, hidden in (
        ("encoder.pre_rnn", 2, 240, encoder),
        ("encoder.post_rnn", post_layers, 2 * encoder, encoder),
        ("prediction.dec_rnn", 2, prediction, prediction),
    ):
        for i in range(layers):
            expected[f"{stack}.lstm.weight_ih_l{i}"] = (4 * hidden, first if i == 0 else hidden)
            expected[f"{stack}.lstm.weight_hh_l{i}"] = (4 * hidden, hidden)
            expected[f"{stack}.lstm.bias_ih_l{i}"] = expected[f"{stack}.lstm.bias_hh_l{i}"] = (4 * hidden,)
    assert {key: tuple(shape) for key, shape in parameter_shapes(ARCHITECTURES[name]).items()} == expected


def test_an_architecture_is_known_by_its_sizes_and_vocabulary() -> None:
    assert [architecture_name(config) for config in ARCHITECTURES.values()] == ["testing", "base", "large"]
    assert architecture_name(tiny_config()) == "custom"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_answers_each_sixty_milliseconds(name: str) -> None:
    assert ARCHITECTURES[name].samples_per_step == 960
