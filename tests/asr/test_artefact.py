"""The compiled artefact: same tokens as the checkpoint, checked on load, mapped into memory."""

import hashlib
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gharial_asr.artefact import ArtefactError, read_artefact, write_artefact
from gharial_asr.checkpoint import CheckpointError, Ngram, save_hardware_checkpoint
from gharial_asr.compilation import TARGETS, CompiledModel, compile_checkpoint, load_model
from gharial_asr.inference.dense import Int8Dense, Int8Weight, plain, quantise_weight
from gharial_asr.inference.native.packed import PackedWeight
from gharial_asr.offline import Transcription, transcribe
from gharial_asr.precision import Precision
from gharial_asr.runner import LocalRunner
from gharial_asr.tensor_file import save_aligned
from safetensors import safe_open
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
    embedding, rounded = (
        model.weights.embedding,
        quantise_weight(tiny_checkpoint().state_dict["prediction.embed.weight"]),
    )
    assert isinstance(embedding, torch.Tensor)
    assert torch.equal(embedding, rounded.dequantised())
    assert isinstance(model.weights.joint_output.weight, torch.Tensor)


def header(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["gharial"])
    return found


def test_the_header_says_what_the_model_is_and_for_what_it_was_compiled(tmp_path: Path) -> None:
    path = tmp_path / "m.gharial"
    for target in TARGETS:
        write_artefact(compile_checkpoint(tiny_checkpoint(), "int8", target=target), path)
        told = header(path)
        assert (told["target"], told["architecture"]) == (target, "custom")
        assert told["symbols_per_step"] == {"greedy": 30, "beam": 8}
        assert told["model_version"] == "1.14.0"
        assert told["rnnt_config"]["tokenizer"]["vocab_size"] == 47
        assert read_artefact(path).target == target


def test_targets_differ_in_the_header_alone(tmp_path: Path) -> None:
    files = []
    for target in TARGETS:
        write_artefact(compile_checkpoint(tiny_checkpoint(), "int8", target=target), tmp_path / target)
        files.append(load_file(tmp_path / target))
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])


def test_the_checkpoints_n_gram_is_in_the_artefact(tmp_path: Path) -> None:
    ngram = Ngram(bytes(range(256)), 0.05)
    write_artefact(compile_checkpoint(replace(tiny_checkpoint(), ngram=ngram), "int8"), tmp_path / "m.gharial")
    assert read_artefact(tmp_path / "m.gharial").ngram == ngram
    assert decode(read_artefact(tmp_path / "m.gharial")).tokens


def test_weights_lie_in_the_mapped_file(artefact: Path) -> None:
    weights = read_artefact(artefact).weights
    matrix = weights.joint_output.weight
    assert isinstance(weights.embedding, Int8Weight) and isinstance(matrix, PackedWeight)
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split()[0].split("-") for line in lines if line.endswith(str(artefact))]
    for tensor in (weights.embedding.values, matrix.panels, matrix.order, matrix.pairs, matrix.sums, matrix.scale):
        address = tensor.data_ptr()
        assert any(int(start, 16) <= address < int(end, 16) for start, end in ranges)
    assert matrix.panels.data_ptr() % 64 == 0


def save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Writes another file in place of this one, which may be mapped."""
    save_aligned(tensors, path.with_suffix(".new"), metadata)
    path.with_suffix(".new").replace(path)


def retell(path: Path, **changes: object) -> None:
    """Changes fields of the header; None takes one away."""
    told = header(path) | changes
    told = {key: value for key, value in told.items() if value is not None}
    save(load_file(path), path, {"gharial": json.dumps(told)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "the header does not say it is a gharial-artefact"),
        ({"format_version": 99}, "format version 99, this program reads 2"),
        ({"format_version": 1}, "format version 1, this program reads 2"),
        ({"target": None}, "compiled for target None, this program runs cpu, cuda and card"),
        ({"target": "tpu"}, "compiled for target 'tpu', this program runs cpu, cuda and card"),
        ({"symbols_per_step": {"greedy": 5}}, "compiled for {'greedy': 5} symbols per step, this program decodes with"),
        ({"rnnt_config": None}, "rnnt_config: Input should be"),
        ({"rnnt_config": {"rnnt": {}}}, "rnnt_config.rnnt.enc_n_hid: Field required"),
        ({"ngram_scale_factor": 0.1}, "ngram is missing"),
    ],
)
def test_a_bad_header_is_refused_with_the_fault_and_the_remedy(
    artefact: Path, changes: dict[str, object], message: str
) -> None:
    retell(artefact, **changes)
    with pytest.raises(ArtefactError, match=rf"tiny\.gharial: {re.escape(message)}.*; compile it again"):
        read_artefact(artefact)


def test_a_safetensors_file_of_something_else_is_refused(tmp_path: Path) -> None:
    for metadata in (None, {"gharial": "[]"}, {"gharial": "{"}):
        save_file({"a": torch.zeros(2)}, tmp_path / "other.gharial", metadata)
        with pytest.raises(ArtefactError, match=r"other\.gharial.*compile it again"):
            read_artefact(tmp_path / "other.gharial")


def rewrite(path: Path, **changes: torch.Tensor | None) -> None:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save(tensors, path, metadata)


def test_a_missing_tensor_is_named(artefact: Path) -> None:
    rewrite(artefact, mel_mean=None)
    with pytest.raises(ArtefactError, match=r"tiny.gharial: mel_mean is missing; compile it again"):
        read_artefact(artefact)


def test_a_wrong_shape_is_named_with_the_right_one(artefact: Path) -> None:
    rewrite(artefact, **{"joint_output.scale": torch.zeros(3)})
    with pytest.raises(ArtefactError, match=r"joint_output.scale is torch.float32 \(3,\), not torch.float32 \(48,\)"):
        read_artefact(artefact)


@pytest.mark.parametrize(
    ("part", "index", "value", "message"),
    [
        ("order", (1, 3), 16, "joint_output.order names group 16 of 16"),
        ("order", (0, 0), 65535, "joint_output.order names group 65535 of 16"),
        ("pairs", (2,), 9, "joint_output.pairs has 9 pairs of 16 groups"),
        ("pairs", (2,), -1, "joint_output.pairs has -1 pairs of 16 groups"),
    ],
)
def test_tables_that_would_lead_the_kernel_out_of_its_buffers_are_refused(
    artefact: Path, part: str, index: tuple[int, ...], value: int, message: str
) -> None:
    name = f"joint_output.{part}"
    table = load_file(artefact)[name].numpy().copy()
    table[index] = value
    rewrite(artefact, **{name: torch.from_numpy(table)})
    with pytest.raises(ArtefactError, match=message):
        read_artefact(artefact)


def test_any_weights_sums_and_scales_are_computed_with(artefact: Path) -> None:
    """Values that packing never makes give other numbers, and no more than that."""
    chance = torch.Generator().manual_seed(3)
    tensors = load_file(artefact)
    changed = {name: torch.randint(-128, 128, of.shape, generator=chance, dtype=torch.int8)
               for name, of in tensors.items() if name.endswith(".panels")}  # fmt: skip
    changed |= {name: torch.full_like(of, -(2**31)) for name, of in tensors.items() if name.endswith(".sums")}
    changed |= {name: torch.full_like(of, float("nan")) for name, of in tensors.items() if name.endswith(".bias")}
    rewrite(artefact, **changed)
    assert decode(read_artefact(artefact)).encoder_frames == 67


def test_matrices_that_begin_anywhere_are_refused(artefact: Path) -> None:
    """safetensors' own writer aligns to eight bytes and takes floats first."""
    with safe_open(artefact, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(artefact), artefact, metadata)
    with pytest.raises(ArtefactError, match=r"panels begins at no multiple of 64 bytes; compile it again"):
        read_artefact(artefact)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_other_arithmetic_gets_the_rows_of_an_artefact(artefact: Path, precision: Precision) -> None:
    found = read_artefact(artefact, precision).weights.post[0].recurrent
    made = compile_checkpoint(tiny_checkpoint(), "int8").weights.post[0].recurrent
    assert isinstance(made, Int8Weight)
    if precision == "float32":
        assert isinstance(found, torch.Tensor) and torch.equal(found, made.dequantised())
    else:
        assert isinstance(found, Int8Weight) and torch.equal(found.values, made.values)


def test_a_matrix_that_is_mapped_unpacks_to_the_rows_it_was_made_of(artefact: Path) -> None:
    mapped = read_artefact(artefact).weights.prediction[0].recurrent
    made = compile_checkpoint(tiny_checkpoint(), "int8").weights.prediction[0].recurrent
    assert isinstance(mapped, PackedWeight) and isinstance(made, Int8Weight)
    rows = plain(mapped)
    assert isinstance(rows, Int8Weight) and torch.equal(rows.values, made.values)


def test_a_torn_file_says_so(artefact: Path) -> None:
    artefact.write_bytes(artefact.read_bytes()[:5000])
    with pytest.raises(ArtefactError, match="is damaged"):
        load_model(artefact)


def test_whatever_bytes_of_the_header_become_only_an_artefact_error_comes_out(artefact: Path) -> None:
    """200 files with wrong, lost or repeated bytes in the header, or cut anywhere; the error names the file."""
    chance = random.Random(1)
    whole = artefact.read_bytes()
    ends = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for _ in range(200):
        at, length = chance.randrange(ends), chance.choice([1, 1, 3, 20])
        middle = chance.choice([b"", chance.randbytes(length), whole[at : at + length] * 2])
        damaged = whole[:at] + middle + whole[at + length :]
        artefact.write_bytes(damaged if chance.random() < 0.8 else whole[: chance.randrange(len(whole))])
        try:
            read_artefact(artefact)
        except ArtefactError as error:
            refused += 1
            assert "tiny.gharial" in str(error)
    assert refused > 150


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
