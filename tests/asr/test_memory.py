"""What a loaded model costs in memory that no other process shares."""

from pathlib import Path

from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.compilation import Arithmetic
from gharial_asr.inference.dense import Int8Weight, Weight
from gharial_asr.memory import give_back_free_memory
from gharial_asr.runner import LocalRunner


def private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) * 1024


def bytes_of_matrices(model: Arithmetic) -> int:
    """Of all matrices that are multiplied with; the embedding is read where it lies."""
    weights = model.weights
    layers = (*weights.pre, *weights.post, *weights.prediction)
    joints = (weights.joint_encoder, weights.joint_prediction, weights.joint_output)
    matrices: list[Weight | None] = [matrix for layer in layers for matrix in (layer.recurrent, layer.inputs)]
    matrices += [joint.weight for joint in joints]
    return sum(matrix.values.numel() for matrix in matrices if isinstance(matrix, Int8Weight))


def test_a_loaded_model_costs_its_int8_weights_once() -> None:
    model = random_model(ARCHITECTURES["testing"], "int8")
    give_back_free_memory()
    before = private_bytes()
    runner = LocalRunner(model, 1)
    give_back_free_memory()
    grown = private_bytes() - before
    assert runner.slots == 1
    assert 0.8 < grown / bytes_of_matrices(model) < 1.2
