"""The compiled artefact: same tokens as the checkpoint, checked on load, mapped into memory."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from gharial_asr.artefact import ArtefactError, read_artefact, write_artefact
from gharial_asr.checkpoint import CheckpointError, save_hardware_checkpoint
from gharial_asr.compilation import CompiledModel, compile_checkpoint, load_model
from gharial_asr.inference.dense import Int8Dense, Int8Weight, quantise_weight
from gharial_asr.offline import Transcription, transcribe
from gharial_asr.runner import LocalRunner
from safetensors.torch import load_file, save_file
from tiny_models import babble, tiny_checkpoint, tiny_config


def decode(model: CompiledModel) -> Transcription:
    return next(transcribe(LocalRunner(model, 1), model, [babble(4)]))[1]


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gharial"
    write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), path)
    return path


@pytest.mark.parametrize("prediction_layers", [1, 2])
def test_an_artefact_decodes_like_the_checkpoint_it_was_made_from(tmp_path: Path, prediction_layers: int) -> None:
    checkpoint = tiny_checkpoint(config=tiny_config(prediction_layers=prediction_layers))
    compiled = compile_checkpoint(checkpoint, "int8")
    digest = write_artefact(compiled, tmp_path / "m.gharial")
    loaded = load_model(tmp_path / "m.gharial", "int8")
    assert loaded.digest == digest == hashlib.sha256((tmp_path / "m.gharial").read_bytes()).hexdigest()
    assert decode(loaded) == decode(compiled)
    assert decode(loaded).tokens


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = {
        write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), tmp_path / name) for name in ("a.gharial", "b")
    }
    assert len(digests) == 1


def test_a_hardware_checkpoint_loads_directly(tmp_path: Path) -> None:
    save_hardware_checkpoint(tmp_path / "m.pt", tiny_checkpoint())
    assert decode(load_model(tmp_path / "m.pt", "int8")) == decode(compile_checkpoint(tiny_checkpoint(), "int8"))


def test_float32_arithmetic_on_an_artefact_uses_its_int8_weights(artefact: Path) -> None:
    model = load_model(artefact, "float32")
    assert isinstance(model.weights.joint_output.weight, torch.Tensor)
    assert torch.equal(
        model.weights.joint_output.weight,
        quantise_weight(tiny_checkpoint().state_dict["joint_net.2.weight"]).dequantised(),
    )


def rewrite(path: Path, **changes: torch.Tensor | None) -> None:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, path, metadata)


def test_a_missing_tensor_is_named(artefact: Path) -> None:
    rewrite(artefact, mel_mean=None)
    with pytest.raises(ArtefactError, match=r"tiny.gharial: mel_mean is missing; compile it again"):
        read_artefact(artefact)


def test_a_wrong_shape_is_named_with_the_right_one(artefact: Path) -> None:
    rewrite(artefact, **{"joint_output.values": torch.zeros(3, 64, dtype=torch.int8)})
    with pytest.raises(ArtefactError, match=r"joint_output.values is torch.int8 \(3, 64\), not torch.int8 \(48, 64\)"):
        read_artefact(artefact)


def test_a_torn_file_says_so(artefact: Path) -> None:
    artefact.write_bytes(artefact.read_bytes()[:5000])
    with pytest.raises(ArtefactError, match="is damaged"):
        load_model(artefact)


def test_a_file_that_is_neither_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.pt").write_text("no model at all")
    with pytest.raises(CheckpointError, match=r"note\.pt"):
        load_model(tmp_path / "note.pt")


@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_the_integer_product_is_exact(rows: int) -> None:
    """The largest sums: every activation and every weight at its limit, where a narrow accumulator would saturate."""
    generator = torch.Generator().manual_seed(rows)
    values_NK = torch.randint(-127, 128, (48, 512), generator=generator, dtype=torch.int8)
    values_NK[:8] = 127
    values_NK[8:16] = -127
    levels_BK = torch.randint(-63, 64, (rows, 512), generator=generator)
    levels_BK[0] = 63
    levels_BK[:, 0] = -63
    product = Int8Dense(Int8Weight(values_NK, torch.ones(48)), torch.zeros(48))
    expected = levels_BK @ values_NK.long().T
    assert torch.equal(product(levels_BK.float()).long(), expected)


def test_a_row_of_zeros_gives_the_bias() -> None:
    bias_N = torch.arange(16.0)
    product = Int8Dense(quantise_weight(torch.ones(16, 32)), bias_N)
    assert torch.equal(product(torch.zeros(2, 32)), bias_N.expand(2, 16))


def test_an_empty_recording_and_many_recordings_side_by_side() -> None:
    model = compile_checkpoint(tiny_checkpoint(), "int8")
    recordings = [np.zeros(0, np.float32), *(babble(0.4 + i / 5, seed=i) for i in range(4))]
    together = dict(transcribe(LocalRunner(model, 2), model, recordings))
    alone = {i: next(transcribe(LocalRunner(model, 1), model, [x]))[1] for i, x in enumerate(recordings)}
    assert together == alone
    assert together[0].encoder_frames == 0
    assert together[0].transcript == ""
