"""Every malformed checkpoint is refused by a CheckpointError that names the key or the file; nothing else comes out."""

import copy
import pickle
import random
import re
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from gharial_asr.checkpoint import (
    CheckpointError,
    load_hardware_checkpoint,
    parse_hardware_checkpoint,
    read_checkpoint,
    save_hardware_checkpoint,
)
from tiny_models import tiny_checkpoint

Content = dict[str, Any]
Damage = Callable[[Content], object]


@cache
def saved() -> bytes:
    """A good file."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        save_hardware_checkpoint(Path(folder, "m.pt"), tiny_checkpoint())
        return Path(folder, "m.pt").read_bytes()


@pytest.fixture
def content(tmp_path: Path) -> Content:
    (tmp_path / "good.pt").write_bytes(saved())
    return read_checkpoint(tmp_path / "good.pt")


def put(path: str, value: object) -> Damage:
    """Sets the entry at KEY/KEY/..., or takes it away when the value is `...`."""
    *parents, last = path.split("/")

    def damage(content: Content) -> None:
        for key in parents:
            content = content[key]
        if value is ...:
            del content[last]
        else:
            content[last] = value

    return damage


def spoil(path: str, index: int, value: float) -> Damage:
    """Sets one number of a tensor."""
    *parents, last = path.split("/")

    def damage(content: Content) -> None:
        for key in parents:
            content = content[key]
        content[last] = content[last].clone()
        content[last].view(-1)[index] = value

    return damage


def many(*damages: Damage) -> Damage:
    return lambda content: [damage(content) for damage in damages]


PREFIXED = many(lambda content: content.update(state_dict={f"module.{k}": v for k, v in content["state_dict"].items()}))
SIZES, TOKENIZER, FRONT = "rnnt_config/rnnt", "rnnt_config/tokenizer", "rnnt_config/input_val/filterbank_features"

TABLE: dict[str, tuple[Damage, str]] = {
    "no statistics": (put("melmeans", ...), "it lacks melmeans"),
    "nothing of use": (lambda c: c.clear(), "it lacks state_dict, melmeans, melvars, sentpiece_model, rnnt_config"),
    "training checkpoint": (
        many(put("melvars", ...), put("ema_state_dict", {})), "it lacks melvars (a training checkpoint: run `gharial"),
    "missing weight": (put("state_dict/joint_pred.bias", ...), "joint_pred.bias is missing, expected shape (64,)"),
    "unknown weight": (put("state_dict/extra", torch.zeros(1)), "extra is not part of the architecture"),
    "wrong shape": (
        put("state_dict/joint_enc.bias", torch.zeros(3)), "joint_enc.bias has shape (3,), not (64,)"),
    "a row for the blank": (
        put("state_dict/prediction.embed.weight", torch.zeros(48, 48)),
        "prediction.embed.weight has shape (48, 48), not (47, 48)"),
    "integers": (
        put("state_dict/joint_enc.bias", torch.zeros(64, dtype=torch.int8)),
        "state_dict.'joint_enc.bias': found a tensor int8 (64,), expected floats"),
    "no tensor": (put("state_dict/joint_enc.bias", [0.0]), "'joint_enc.bias': found [0.0], expected floats"),
    "no dictionary": (put("state_dict", [1, 2]), "state_dict: found [1, 2], expected a dictionary of tensors"),
    "names of data parallel": (PREFIXED, "save the wrapped model's state_dict, model.module.state_dict()"),
    "sparse": (
        put("state_dict/joint_enc.weight", torch.eye(64).to_sparse()),
        "state_dict.joint_enc.weight: found a torch.sparse_coo tensor"),
    "without data": (
        put("state_dict/joint_enc.weight", torch.zeros(64, 64, device="meta")),
        "state_dict.joint_enc.weight: found a torch.strided tensor on meta"),
    "NaN": (spoil("state_dict/joint_enc.weight", 7, float("nan")), "state_dict.joint_enc.weight: found NaN or inf"),
    "infinity": (spoil("state_dict/joint_net.2.bias", 0, float("inf")), "state_dict.joint_net.2.bias: found NaN or"),
    "beyond float32": (
        put("state_dict/joint_enc.bias", torch.full((64,), 1e300, dtype=torch.float64)),
        "state_dict.joint_enc.bias: found NaN or infinity"),
    "short statistics": (
        put("melvars", torch.ones(40)), "melvars: found a tensor float32 (40,), expected floats of shape (80,)"),
    "statistics as list": (put("melmeans", [0.0] * 80), "melmeans: found a list of length 80, expected floats"),
    "integer statistics": (put("melvars", torch.ones(80, dtype=torch.int64)), "melvars: found a tensor int64 (80,)"),
    "no variance": (spoil("melvars", 3, 0.0), "melvars: found 0.0 at mel filter 3, expected positive variances"),
    "negative variance": (spoil("melvars", 79, -0.5), "melvars: found -0.5 at mel filter 79"),
    "unknown mean": (spoil("melmeans", 1, float("nan")), "melmeans: found nan at mel filter 1, expected finite means"),
    "statistics that follow": (put("melalpha", 0.001), "melalpha: found 0.001, expected 0.0"),
    "no alpha": (put("melalpha", "none"), "melalpha: found 'none', expected a number"),
    "other vocabulary": (
        put(f"{TOKENIZER}/vocab_size", 48), "sentpiece_model has 47 pieces, rnnt_config.tokenizer.vocab_size is 48"),
    "tokenizer by name": (put("sentpiece_model", "x.model"), "sentpiece_model: found 'x.model', expected the bytes"),
    "empty tokenizer": (put("sentpiece_model", b""), "sentpiece_model: found b'', expected the bytes"),
    "torn tokenizer": (put("sentpiece_model", b"\n\x0e\n\x05<unk>"), "sentpiece_model: "),
    "rubbish for a tokenizer": (put("sentpiece_model", b"\xff" * 99), "sentpiece_model: the tokenizer is no Sentence"),
    "no configuration": (put("rnnt_config", None), "rnnt_config: found None, expected input_val, rnnt and tokenizer"),
    "no sizes": (put(SIZES, ...), "rnnt_config.rnnt: Field required"),
    "a size that is missing": (put(f"{SIZES}/joint_n_hid", ...), "rnnt_config.rnnt.joint_n_hid: Field required"),
    "a size below one": (put(f"{SIZES}/enc_n_hid", -1), "rnnt_config.rnnt.enc_n_hid: found -1, Input should be great"),
    "a size that is a word": (put(f"{SIZES}/enc_n_hid", "big"), "rnnt_config.rnnt.enc_n_hid: found 'big', Input shou"),
    "a size no memory holds": (put(f"{SIZES}/enc_n_hid", 10**12), "rnnt_config.rnnt.enc_n_hid: found 1000000000000, "),
    "endless layers": (put(f"{SIZES}/enc_post_rnn_layers", 10**9), "rnnt_config.rnnt.enc_post_rnn_layers: found 10000"),
    "other inputs": (put(f"{SIZES}/in_feats", 200), "rnnt.in_feats is 200, but n_filt x frame_stacking is 240"),
    "telephone": (put(f"{FRONT}/sample_rate", 8000), "filterbank_features.sample_rate: found 8000, Input should be 16"),
    "another window": (put(f"{FRONT}/window", "hamming"), "filterbank_features.window: found 'hamming', Input should "),
    "endless window": (put(f"{FRONT}/window_size", float("inf")), "filterbank_features.window_size: found inf"),
    "no hop": (put(f"{FRONT}/window_stride", 1e-9), "0 < window_stride <= window_size <= n_fft must hold"),
    "version as a number": (put("version", 1.14), "version: found 1.14, expected a text like 1.14.0"),
    "no epoch": (put("epoch", "ten"), "epoch: found 'ten', expected a number"),
    "unknown error rate": (put("best_wer", float("nan")), "best_wer: found nan, expected a number"),
    "an n-gram without weight": (put("ngram", {"binary": b"x"}), "ngram: found {'binary': b'x'}, expected binary and"),
    "an n-gram by name": (
        put("ngram", {"binary": "n.arpa", "scale_factor": 0.1}), "ngram.binary: found 'n.arpa', expected the bytes"),
    "an n-gram of unknown weight": (
        put("ngram", {"binary": b"x", "scale_factor": None}), "ngram.scale_factor: found None, expected a number"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_bad_entry_is_named_with_what_was_found_and_what_is_expected(content: Content, name: str) -> None:
    damage, message = TABLE[name]
    damage(content)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        parse_hardware_checkpoint(content)


class Hostile:
    """Pickles to an instruction that makes a file when the pickle is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w')",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickled_code_is_refused_named_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    path, ran = tmp_path / "evil.pt", tmp_path / "ran"
    torch.save({"state_dict": Hostile(ran)}, path, pickle_protocol=protocol)
    with pytest.raises(CheckpointError, match=r"evil\.pt: it asks to run code \(.*exec\), which is refused"):
        read_checkpoint(path)
    path.write_bytes(pickle.dumps(Hostile(ran), protocol=protocol))
    with pytest.raises(CheckpointError, match=r"evil\.pt: "):
        read_checkpoint(path)
    assert not ran.exists()


def test_a_whole_pickled_model_is_refused_as_code(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"run code \(torch\.nn\.modules\.linear\.Linear\)"):
        read_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("rubbish", "message"),
    [
        (b"", "the file is empty"),
        (b"hello", "no file of plain tensors"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "no file of plain tensors"),
        (b"PK\x03\x04 cut", "cut short"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named_with_the_remedy(tmp_path: Path, rubbish: bytes, message: str) -> None:
    path = tmp_path / "rubbish.pt"
    path.write_bytes(rubbish)
    with pytest.raises(CheckpointError, match=rf"rubbish\.pt: .*{message}.*again"):
        load_hardware_checkpoint(path)


def test_a_zip_file_of_something_else_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match=r"lacks data\.pkl"):
        load_hardware_checkpoint(tmp_path / "other.pt")


def test_a_file_that_holds_a_lone_tensor_says_so(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "melmeans.pt")
    with pytest.raises(CheckpointError, match=r"melmeans\.pt: found a Tensor, expected the dictionary"):
        load_hardware_checkpoint(tmp_path / "melmeans.pt")


def test_one_flipped_bit_in_the_weights_is_noticed(tmp_path: Path) -> None:
    damaged = bytearray(saved())
    with zipfile.ZipFile(tmp_path / "m.pt", "w"):
        pass
    (tmp_path / "m.pt").write_bytes(damaged)
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        record = next(entry for entry in archive.infolist() if "/data/" in entry.filename and entry.file_size > 1000)
    damaged[record.header_offset + 500] ^= 1
    (tmp_path / "m.pt").write_bytes(damaged)
    with pytest.raises(CheckpointError, match=rf"its record {record.filename} is damaged: the checksum is wrong"):
        load_hardware_checkpoint(tmp_path / "m.pt")


def test_a_file_cut_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    whole, path = saved(), tmp_path / "cut.pt"
    for share in (0.001, 0.1, 0.5, 0.9, 0.99, 0.9999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(CheckpointError, match=r"cut\.pt: "):
            load_hardware_checkpoint(path)


VALUES: list[Any] = [
    None, True, -1, 0, 10**30, -0.5, float("nan"), float("inf"), "", "word", b"", b"bytes", [], {}, (), [[]], {"a": 1},
    torch.zeros(0), torch.zeros(1, 1, 1), torch.ones(80, dtype=torch.complex64), torch.tensor(float("nan")),
    torch.zeros(80, dtype=torch.bool), torch.ones(2, 2).to_sparse(), torch.zeros(80, device="meta"),
]  # fmt: skip


def places(node: dict[Any, Any]) -> list[tuple[dict[Any, Any], Any]]:
    """Every entry of a nested dictionary."""
    found = [(node, key) for key in node]
    return found + [place for value in node.values() if isinstance(value, dict) for place in places(value)]


def test_whatever_one_entry_becomes_only_a_checkpoint_error_comes_out_and_it_names_a_key(content: Content) -> None:
    """2000 files, each with one entry replaced, renamed or removed. Some are still good, none fails otherwise."""
    chance = random.Random(1)
    keys = {str(key) for _, key in places(content)}
    refused = 0
    for _ in range(2000):
        damaged = {key: dict(v) if isinstance(v, dict) else v for key, v in content.items()}
        damaged["rnnt_config"] = copy.deepcopy(content["rnnt_config"])
        node, key = chance.choice(places(damaged))
        old = node.pop(key)
        if (way := chance.random()) < 0.7:
            node[key] = chance.choice(VALUES)
        elif way < 0.8:
            node[chance.choice([f"{key}x", 3, None, (1, 2)])] = old
        try:
            parse_hardware_checkpoint(damaged)
        except CheckpointError as error:
            refused += 1
            assert any(name in str(error) for name in keys), str(error)
    assert refused > 1000


def test_whatever_bytes_of_the_file_become_only_a_checkpoint_error_comes_out(tmp_path: Path) -> None:
    """150 files with a torn, overwritten or repeated stretch; the error names the file."""
    chance = random.Random(2)
    whole, path = saved(), tmp_path / "fuzzed.pt"
    for _ in range(150):
        at, length = chance.randrange(len(whole)), chance.choice([1, 1, 4, 64, 3000])
        middle = chance.choice([b"", chance.randbytes(length), whole[at : at + length] * 2])
        path.write_bytes(whole[:at] + middle + whole[at + length :])
        try:
            load_hardware_checkpoint(path)
        except CheckpointError as error:
            assert "fuzzed.pt: " in str(error)


def test_whatever_instructions_the_pickle_holds_only_a_checkpoint_error_comes_out(tmp_path: Path) -> None:
    """300 archives that are sound but whose pickle has some wrong bytes, in protocols 2 and 5."""
    chance = random.Random(3)
    path = tmp_path / "fuzzed.pt"
    small = {"state_dict": {"a": torch.zeros(3)}, "sentpiece_model": b"x", "rnnt_config": {"a": [1, 2.0, "b"]}}
    for protocol in (2, 5):
        torch.save(small, path, pickle_protocol=protocol)
        with zipfile.ZipFile(path) as archive:
            records = {name: archive.read(name) for name in archive.namelist()}
        name = next(name for name in records if name.endswith("data.pkl"))
        for _ in range(150):
            program = bytearray(records[name])
            for _ in range(chance.choice([1, 1, 3])):
                program[chance.randrange(len(program))] = chance.randrange(256)
            with zipfile.ZipFile(path, "w") as archive:
                for record, data in records.items():
                    archive.writestr(record, bytes(program) if record == name else data)
            with pytest.raises(CheckpointError, match=r"fuzzed\.pt: "):
                load_hardware_checkpoint(path)
