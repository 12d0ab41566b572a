"""Hardware checkpoints keep the documented layout, whoever saved them and with whichever version."""

import re
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gharial_asr.checkpoint import (
    CheckpointError,
    HardwareCheckpoint,
    Ngram,
    load_hardware_checkpoint,
    parse_hardware_checkpoint,
    read_checkpoint,
    save_hardware_checkpoint,
)
from gharial_asr.compilation import compile_checkpoint, load_model
from gharial_asr.offline import transcribe
from gharial_asr.runner import LocalRunner
from tiny_models import PIECES, babble, tiny_checkpoint

VERSIONS = ["1.10.0", "1.10.1", "1.11.0", "1.12.0", "1.13.0", "1.14.0"]


@pytest.fixture(scope="module")
def checkpoint() -> HardwareCheckpoint:
    return tiny_checkpoint()


def as_exported(checkpoint: HardwareCheckpoint, version: str) -> dict[str, Any]:
    """What the published export of a version puts into a file: its entries, types and configuration fields."""
    sizes = checkpoint.config.rnnt
    content: dict[str, Any] = {
        "state_dict": OrderedDict(checkpoint.state_dict),
        "epoch": 10,
        "step": 100,
        "best_wer": 3.05,
        "melmeans": checkpoint.mel_mean,
        "melvars": checkpoint.mel_variance,
        "melalpha": 0.0,
        "sentpiece_model": checkpoint.tokenizer.model,
        "version": version,
        "rnnt_config": {
            "input_val": {
                "filterbank_features": {
                    "dither": 1e-05, "n_fft": 512, "n_filt": 80, "normalize": "per_feature", "sample_rate": 16000,
                    "window": "hann", "window_size": 0.025, "window_stride": 0.01,
                },
                "frame_splicing": {"frame_stacking": 3, "frame_subsampling": 3},
            },
            "rnnt": {
                "enc_n_hid": sizes.enc_n_hid, "enc_post_rnn_layers": sizes.enc_post_rnn_layers,
                "enc_pre_rnn_layers": sizes.enc_pre_rnn_layers, "enc_stack_time_factor": 2, "in_feats": 240,
                "joint_n_hid": sizes.joint_n_hid, "pred_n_hid": sizes.pred_n_hid, "pred_rnn_layers": 1,
            },
            "tokenizer": {"labels": [" ", "a", "b", "'"], "sentpiece_model": "/datasets/sentencepieces/x.model"},
        },
    }  # fmt: skip
    content["state_dict"]._metadata = OrderedDict({"": {"version": 1}, "encoder": {"version": 1}})
    if version >= "1.11":
        content["ngram"] = {"binary": None, "scale_factor": None}
    return content


def save(content: dict[str, Any], path: Path) -> None:
    """As the published export saves: with pickle protocol 5 from version 1.14 on."""
    torch.save(content, path, pickle_protocol=5 if content["version"] >= "1.14" else 2)


def hears(model: HardwareCheckpoint) -> tuple[int, ...]:
    compiled = compile_checkpoint(model, "int8")
    return next(transcribe(LocalRunner(compiled, 1), compiled, [babble(3)]))[1].tokens


@pytest.mark.parametrize("version", VERSIONS)
def test_a_checkpoint_of_every_published_version_loads_unchanged(
    checkpoint: HardwareCheckpoint, tmp_path: Path, version: str
) -> None:
    save(as_exported(checkpoint, version), tmp_path / "model.pt")
    loaded = load_hardware_checkpoint(tmp_path / "model.pt")
    assert loaded.version == version
    assert (loaded.epoch, loaded.step, loaded.best_wer) == (10, 100, 3.05)
    assert loaded.ngram is None
    assert loaded.config.tokenizer.vocab_size == PIECES
    assert all(torch.equal(loaded.state_dict[name], value) for name, value in checkpoint.state_dict.items())
    assert hears(loaded) == hears(checkpoint)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_is_read(checkpoint: HardwareCheckpoint, tmp_path: Path, protocol: int) -> None:
    content = as_exported(checkpoint, "1.14.0") | {
        "ngram": {"binary": bytes(range(256)) * 300, "scale_factor": 0.05},
        "best_wer": np.float64(0.125),
        "step": np.int64(2**40),
    }
    torch.save(content, tmp_path / "model.pt", pickle_protocol=protocol)
    loaded = load_hardware_checkpoint(tmp_path / "model.pt")
    assert loaded.ngram is not None
    assert (loaded.ngram.binary, loaded.ngram.scale_factor) == (bytes(range(256)) * 300, 0.05)
    assert (loaded.best_wer, loaded.step) == (0.125, 2**40)
    assert all(torch.equal(loaded.state_dict[name], value) for name, value in checkpoint.state_dict.items())


def test_the_old_format_without_a_zip_file_is_read(checkpoint: HardwareCheckpoint, tmp_path: Path) -> None:
    torch.save(as_exported(checkpoint, "1.10.0"), tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    assert hears(load_hardware_checkpoint(tmp_path / "m.pt")) == hears(checkpoint)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_become_float32(checkpoint: HardwareCheckpoint, dtype: torch.dtype) -> None:
    content = as_exported(checkpoint, "1.14.0")
    content["state_dict"] = {name: value.to(dtype) for name, value in checkpoint.state_dict.items()}
    loaded = parse_hardware_checkpoint(content)
    for name, value in checkpoint.state_dict.items():
        assert loaded.state_dict[name].dtype == torch.float32
        assert torch.equal(loaded.state_dict[name], value.to(dtype).float())


def test_views_of_shared_memory_transposes_and_parameters_are_read(
    checkpoint: HardwareCheckpoint, tmp_path: Path
) -> None:
    """As a model saves them whose weights are slices of one flat buffer, or were transposed."""
    content = as_exported(checkpoint, "1.14.0")
    flat = torch.cat([value.flatten() for value in checkpoint.state_dict.values()])
    pieces = flat.split([value.numel() for value in checkpoint.state_dict.values()])
    state = dict(zip(checkpoint.state_dict, pieces, strict=True))
    state = {name: view.view(checkpoint.state_dict[name].shape) for name, view in state.items()}
    state["joint_enc.weight"] = state["joint_enc.weight"].T.contiguous().T
    state["joint_enc.bias"] = torch.nn.Parameter(state["joint_enc.bias"].clone())
    content["state_dict"] = state
    save(content, tmp_path / "model.pt")
    loaded = load_hardware_checkpoint(tmp_path / "model.pt").state_dict
    assert all(torch.equal(loaded[name], value) for name, value in checkpoint.state_dict.items())
    assert all(value.is_contiguous() and not value.requires_grad for value in loaded.values())


def test_tensors_that_lay_on_a_gpu_are_read_on_the_processor(checkpoint: HardwareCheckpoint, tmp_path: Path) -> None:
    save(as_exported(checkpoint, "1.13.0"), tmp_path / "cpu.pt")
    with zipfile.ZipFile(tmp_path / "cpu.pt") as old, zipfile.ZipFile(tmp_path / "gpu.pt", "w") as new:
        for name in old.namelist():
            record = old.read(name)
            if name.endswith("data.pkl"):
                assert b"X\3\0\0\0cpu" in record
                record = record.replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0")
            new.writestr(name, record)
    loaded = load_hardware_checkpoint(tmp_path / "gpu.pt")
    assert all(torch.equal(loaded.state_dict[name], value) for name, value in checkpoint.state_dict.items())


def test_the_other_name_of_the_joints_last_layer_is_dropped_and_may_stand_alone(checkpoint: HardwareCheckpoint) -> None:
    content = as_exported(checkpoint, "1.14.0")
    for kind in ("weight", "bias"):
        content["state_dict"][f"joint_fc.{kind}"] = content["state_dict"][f"joint_net.2.{kind}"].clone()
    assert parse_hardware_checkpoint(content).state_dict.keys() == checkpoint.state_dict.keys()
    del content["state_dict"]["joint_net.2.weight"], content["state_dict"]["joint_net.2.bias"]
    assert parse_hardware_checkpoint(content).state_dict.keys() == checkpoint.state_dict.keys()
    content["state_dict"]["joint_net.2.bias"] = content["state_dict"]["joint_fc.bias"] + 1
    with pytest.raises(CheckpointError, match=re.escape("joint_fc.bias differs from joint_net.2.bias")):
        parse_hardware_checkpoint(content)


def test_a_saved_checkpoint_has_the_documented_keys(checkpoint: HardwareCheckpoint, tmp_path: Path) -> None:
    save_hardware_checkpoint(tmp_path / "model.pt", checkpoint)
    content = read_checkpoint(tmp_path / "model.pt")
    documented = as_exported(checkpoint, "1.14.0")
    assert set(content) == set(documented)
    assert (content["melalpha"], content["ngram"]) == (0.0, documented["ngram"])
    for section in ("filterbank_features", "frame_splicing"):
        ours = content["rnnt_config"]["input_val"][section]
        assert ours | documented["rnnt_config"]["input_val"][section] == ours
    assert documented["rnnt_config"]["rnnt"].items() <= content["rnnt_config"]["rnnt"].items()


def test_what_is_saved_is_what_is_loaded(checkpoint: HardwareCheckpoint, tmp_path: Path) -> None:
    checkpoint = replace(checkpoint, ngram=Ngram(b"mmap lm", 0.05))
    save_hardware_checkpoint(tmp_path / "model.pt", checkpoint)
    loaded = load_hardware_checkpoint(tmp_path / "model.pt")
    assert loaded.ngram == checkpoint.ngram
    assert loaded.config == checkpoint.config
    assert loaded.tokenizer.model == checkpoint.tokenizer.model
    assert all(torch.equal(loaded.state_dict[name], value) for name, value in checkpoint.state_dict.items())
    assert loaded.build_model().training is False


def test_the_starter_model_loads_and_its_compiled_weights_are_the_checkpoints() -> None:
    folder = Path(__file__).parents[2] / "models/starter"
    loaded = load_hardware_checkpoint(folder / "starter.hardware.pt")
    assert loaded.config.rnnt.enc_n_hid == 256
    assert load_model(folder / "starter.gharial").config.rnnt == loaded.config.rnnt
