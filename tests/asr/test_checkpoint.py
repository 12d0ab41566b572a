"""Hardware checkpoints keep the documented layout; a bad one is refused with its fault."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from gharial_asr.checkpoint import (
    CheckpointError,
    HardwareCheckpoint,
    load_hardware_checkpoint,
    parse_hardware_checkpoint,
    read_checkpoint,
    save_hardware_checkpoint,
)
from tiny_models import tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoint() -> HardwareCheckpoint:
    return tiny_checkpoint()


@pytest.fixture
def content(checkpoint: HardwareCheckpoint, tmp_path: Path) -> dict[str, Any]:
    save_hardware_checkpoint(tmp_path / "model.pt", checkpoint)
    return read_checkpoint(tmp_path / "model.pt")


def test_a_saved_checkpoint_has_the_documented_keys(content: dict[str, Any]) -> None:
    assert {
        "state_dict",
        "epoch",
        "step",
        "best_wer",
        "melmeans",
        "melvars",
        "melalpha",
        "sentpiece_model",
        "version",
        "rnnt_config",
    } == set(content)
    assert content["melalpha"] == 0.0
    assert set(content["rnnt_config"]) == {"input_val", "rnnt", "tokenizer"}


def test_what_is_saved_is_what_is_loaded(checkpoint: HardwareCheckpoint, tmp_path: Path) -> None:
    save_hardware_checkpoint(tmp_path / "model.pt", checkpoint)
    loaded = load_hardware_checkpoint(tmp_path / "model.pt")
    assert loaded.config == checkpoint.config
    assert loaded.tokenizer.model == checkpoint.tokenizer.model
    assert all(torch.equal(loaded.state_dict[name], value) for name, value in checkpoint.state_dict.items())
    assert loaded.build_model().training is False


def test_a_missing_key_is_named(content: dict[str, Any]) -> None:
    del content["melmeans"]
    with pytest.raises(CheckpointError, match="it lacks melmeans"):
        parse_hardware_checkpoint(content)


def test_a_training_checkpoint_is_sent_to_export(content: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="gharial export"):
        parse_hardware_checkpoint({"ema_state_dict": {}, "state_dict": content["state_dict"]})


def test_wrong_shapes_and_names_are_listed_with_both_shapes(content: dict[str, Any]) -> None:
    weights = content["state_dict"]
    weights["joint_enc.bias"] = torch.zeros(3)
    weights["extra"] = weights.pop("joint_pred.bias")
    with pytest.raises(CheckpointError) as caught:
        parse_hardware_checkpoint(content)
    message = str(caught.value)
    assert "joint_enc.bias has shape (3,), not (" in message
    assert "joint_pred.bias is missing" in message
    assert "extra is not part of the architecture" in message


def test_statistics_of_another_front_end_are_refused(content: dict[str, Any]) -> None:
    content["melvars"] = torch.ones(40)
    with pytest.raises(CheckpointError, match=r"melvars has shape \(40,\), not \(80,\)"):
        parse_hardware_checkpoint(content)


def test_a_tokenizer_of_another_size_is_refused(content: dict[str, Any]) -> None:
    content["rnnt_config"]["tokenizer"]["vocab_size"] += 1
    with pytest.raises(CheckpointError, match="pieces, rnnt_config says"):
        parse_hardware_checkpoint(content)


def test_a_fault_in_the_configuration_names_its_field(content: dict[str, Any]) -> None:
    content["rnnt_config"]["rnnt"]["enc_n_hid"] = -1
    with pytest.raises(CheckpointError, match=r"rnnt_config: rnnt\.enc_n_hid"):
        parse_hardware_checkpoint(content)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    path = tmp_path / "evil.pt"
    torch.save({"state_dict": Evil()}, path)
    with pytest.raises(CheckpointError, match="plain tensors"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("rubbish", [b"", b"hello", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "rubbish.pt"
    path.write_bytes(rubbish)
    with pytest.raises(CheckpointError, match=r"rubbish\.pt"):
        load_hardware_checkpoint(path)
