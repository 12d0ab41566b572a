"""What a loaded model costs in memory that no other process shares, and what steps do with theirs."""

import os
import subprocess
import sys
from pathlib import Path

from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import Arithmetic, CompiledModel
from gharial_asr.config import TokenizerConfig
from gharial_asr.inference.dense import Int8Weight, Weight
from tiny_models import PIECES, tiny_tokenizer


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


ROUNDS = """
import resource, sys
import numpy as np
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.runner import LocalRunner
from tiny_models import tiny_checkpoint

if sys.argv[1] == "with a runner":
    LocalRunner(compile_checkpoint(tiny_checkpoint(), "int8"), 1)
for round in range(12):
    if round == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.empty(8 << 20, np.uint8) for _ in range(3)]
    for block in blocks:
        block.fill(1)
    del block, blocks
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""


def in_a_process_of_its_own(program: str, *words: str) -> float:
    """The number that a program prints. Memory that this process has free already would hide what is taken."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    return float(done.stdout)


def test_a_process_with_a_runner_keeps_the_memory_of_a_step_for_the_next() -> None:
    # Page faults of a round that takes 24 MiB and gives them back.
    assert in_a_process_of_its_own(ROUNDS, "without") > 500
    assert in_a_process_of_its_own(ROUNDS, "with a runner") < 100


def artefact_of_49_megabytes(folder: Path) -> Path:
    """An artefact of the testing architecture, 49 MB, random weights."""
    config = ARCHITECTURES["testing"].model_copy(update={"tokenizer": TokenizerConfig(vocab_size=PIECES)})
    weights = random_model(config, "int8")
    tokenizer = tiny_tokenizer()
    model = CompiledModel(
        config, "int8", weights.weights, weights.mel_mean, weights.mel_variance, tokenizer.pieces, tokenizer, "1.14.0"
    )
    path = folder / "testing.gharial"
    write_artefact(model, path)
    assert path.stat().st_size > 45e6
    return path


SHARED = """
import sys
from pathlib import Path
import numpy as np
from gharial_asr.artefact import read_artefact
from gharial_asr.memory import give_back_free_memory
from gharial_asr.offline import transcribe
from gharial_asr.runner import LocalRunner
from test_memory import private_bytes

give_back_free_memory()
before = private_bytes()
model = read_artefact(Path(sys.argv[1]))
runner = LocalRunner(model, 4)
if sys.argv[2] == "steps":
    list(transcribe(runner, model, [np.full(32000, 0.1, np.float32) for _ in range(4)]))
give_back_free_memory()
print((private_bytes() - before) / 1e6)
"""


def test_processes_that_map_one_artefact_share_all_of_its_weights(tmp_path: Path) -> None:
    """49 MB of weights; the rest, in MB: header, tokenizer, states, memory of steps."""
    path = artefact_of_49_megabytes(tmp_path)
    assert in_a_process_of_its_own(SHARED, str(path), "loaded") < 3
    assert in_a_process_of_its_own(SHARED, str(path), "steps") < 5


COST = """
from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.memory import give_back_free_memory
from gharial_asr.runner import LocalRunner
from test_memory import bytes_of_matrices, private_bytes

model = random_model(ARCHITECTURES["testing"], "int8")
give_back_free_memory()
before = private_bytes()
runner = LocalRunner(model, 1)
give_back_free_memory()
print((private_bytes() - before) / bytes_of_matrices(model))
"""


def test_a_model_that_was_not_compiled_costs_its_int8_weights_once() -> None:
    assert 0.8 < in_a_process_of_its_own(COST) < 1.2
