"""From shards to word error rates with the command line, on recordings of tones."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from gharial_asr.checkpoint import CheckpointError, load_hardware_checkpoint
from gharial_cli.main import main
from gharial_training.export.hardware import hardware_checkpoint, load_training_checkpoint, penalise_blank
from gharial_training.fitting.recipe import load_recipe

TONES = {"low": 300, "middle": 900, "high": 2700}
RECIPES = Path(__file__).parents[2] / "training" / "recipes"


def _recording(words: list[str]) -> bytes:
    seconds = np.arange(4000) / 16000
    parts = [p for word in words for p in (0.3 * np.sin(2 * np.pi * TONES[word] * seconds), np.zeros(1600))]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts), 16000, format="FLAC")
    return file.getvalue()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    rng = np.random.default_rng(0)
    with tarfile.open(folder / "tones.tar", "w") as archive:
        for number in range(60):
            words = [list(TONES)[i] for i in rng.integers(3, size=rng.integers(1, 4))]
            members = ((".flac", _recording(words)), (".txt", " ".join(words).encode()))
            for suffix, data in members:
                info = tarfile.TarInfo(f"tone-{'ab'[number % 2]}-{number:02}{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    assert main(["data", "prepare", "--shards", str(folder / "tones.tar"), "--corpus", str(folder / "tones")]) == 0
    return folder


@pytest.fixture(scope="module")
def recipe(corpora: Path) -> Path:
    content = {
        "name": "tones",
        "data": {
            "train": ["tones"],
            "held_out": "tone-b-0",
            "evaluation": [{"name": "held-out", "corpus": "tones", "keys": "tone-b-0"}],
        },
        "pieces": 14,
        "network": {
            "enc_n_hid": 24, "enc_pre_rnn_layers": 1, "enc_post_rnn_layers": 1, "pred_n_hid": 16, "joint_n_hid": 24,
        },
        "schedule": {"encoder_only": 0.3},
        "optimisation": {"batch_seconds": 8, "save_minutes": 0.05, "validate_minutes": 5},
    }  # fmt: skip
    path = corpora / "tones.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def trained(corpora: Path, recipe: Path) -> Path:
    run = corpora / "run"
    arguments = ["train", "--recipe", str(recipe), "--corpora", str(corpora), "--output", str(run)]
    assert main([*arguments, "--minutes", "0.06", "--workers", "2"]) == 0
    return run


def test_a_run_leaves_checkpoints_tokenizer_statistics_and_a_log(trained: Path) -> None:
    assert {"last.pt", "best.pt", "tokenizer.model", "melmeans.pt", "melvars.pt", "meln.pt", "log.jsonl"} <= {
        p.name for p in trained.iterdir()
    }
    content = torch.load(trained / "last.pt", weights_only=True)
    documented = {"epoch", "step", "best_wer", "state_dict", "ema_state_dict", "optimizer", "tokenizer_kw"}
    assert documented | {"logmel_norm_weight"} <= set(content)
    entries = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert "held-out" in entries[-1]["wer"]


def test_a_folder_with_a_run_is_refused_and_resumed_when_asked(
    trained: Path, corpora: Path, recipe: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = torch.load(trained / "last.pt", weights_only=True)["step"]
    arguments = ["train", "--recipe", str(recipe), "--corpora", str(corpora), "--output", str(trained)]
    assert main(arguments) == 1
    assert "give --resume to go on" in capfd.readouterr().err
    assert main([*arguments, "--resume", "--minutes", "0.02", "--workers", "1"]) == 0
    assert torch.load(trained / "last.pt", weights_only=True)["step"] >= before


def test_an_exported_run_is_a_hardware_checkpoint_whose_error_rate_can_be_measured(
    trained: Path, corpora: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = corpora / "tones.hardware.pt"
    assert main(["export", "--checkpoint", str(trained / "last.pt"), "--output", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] > 10000
    assert load_hardware_checkpoint(model).tokenizer.size == 14
    sets = ["--set", f"held-out={corpora / 'tones'}:tone-b-0", "--set", f"all={corpora / 'tones'}"]
    assert main(["validate", "--checkpoint", str(model), *sets, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["set"] for row in report["sets"]] == ["held-out", "all"]
    assert [row["utterances"] for row in report["sets"]] == [5, 60]
    assert all(row["wer"] >= 0 for row in report["sets"])
    assert main(["validate", "--checkpoint", str(model), *sets[:2], "--precision", "both", "--json"]) == 0
    (gap,) = json.loads(capsys.readouterr().out)["int8_less_float32"]
    assert (gap["set"], gap["utterances"]) == ("held-out", 5)
    assert (
        main(["validate", "--checkpoint", str(model), *sets, "--precision", "both", "--hearings", "2", "--json"]) == 0
    )
    gaps = json.loads(capsys.readouterr().out)["int8_less_float32"]
    assert [(gap["set"], gap["utterances"]) for gap in gaps] == [("held-out", 10), ("all", 120), ("all", 130)]
    assert main(["validate", "--checkpoint", str(model), *sets[:2], "--examples", "1"]) == 0
    assert "said:" in capsys.readouterr().out


def test_a_run_that_is_told_to_end_leaves_no_worker_behind(tmp_path: Path, corpora: Path, recipe: Path) -> None:
    words = ["--recipe", str(recipe), "--corpora", str(corpora), "--output", str(tmp_path / "run"), "--minutes", "5"]
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.Popen([sys.executable, "-m", "gharial_cli", "train", *words], env=environment)

    def workers() -> list[str]:
        found = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        return found.read_text().split() if found.exists() else []

    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "log.jsonl").exists():
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.1)
    begun = workers()
    assert len(begun) >= 2
    run.terminate()
    assert run.wait(30) == 143
    while any(Path(f"/proc/{worker}").exists() for worker in begun):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_another_run_takes_over_weights_tokenizer_and_statistics(trained: Path, corpora: Path, recipe: Path) -> None:
    second = corpora / "second"
    arguments = ["train", "--recipe", str(recipe), "--corpora", str(corpora), "--output", str(second)]
    assert main([*arguments, "--from", str(trained / "last.pt"), "--minutes", "0.01", "--workers", "1"]) == 0
    for name in ("tokenizer.model", "melmeans.pt"):
        assert (second / name).stat().st_size == (trained / name).stat().st_size
    assert (second / "tokenizer.model").read_bytes() == (trained / "tokenizer.model").read_bytes()


def test_weights_whose_features_blend_in_utterance_statistics_are_not_exported(trained: Path) -> None:
    content = torch.load(trained / "last.pt", weights_only=True) | {"logmel_norm_weight": 0.5}
    with pytest.raises(CheckpointError, match="until the blend has ended"):
        hardware_checkpoint(content)


def test_a_blank_penalty_changes_the_bias_of_the_blank_alone(trained: Path) -> None:
    checkpoint = load_training_checkpoint(trained / "last.pt")
    change = penalise_blank(checkpoint, 0.5).state_dict["joint_net.2.bias"] - checkpoint.state_dict["joint_net.2.bias"]
    assert change.tolist() == pytest.approx([0.0] * 14 + [-0.5])


def test_every_fault_of_a_recipe_is_named_with_its_field(tmp_path: Path, corpora: Path, recipe: Path) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["network"]["enc_n_hid"] = 0
    content["schedule"]["learning_speed"] = 1
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=r"network\.enc_n_hid: .*; schedule\.learning_speed"):
        load_recipe(path)


def test_a_corpus_that_was_not_prepared_is_named(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--recipe", str(recipe), "--corpora", str(tmp_path), "--output", str(tmp_path / "run")]
    assert main(["train", *arguments]) == 1
    assert "make it with `gharial data prepare`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["starter.yaml", "starter-words.yaml", "starter-digits.yaml"])
def test_the_starter_recipes_are_valid_and_hold_a_speaker_out(name: str) -> None:
    recipe = load_recipe(RECIPES / name)
    assert recipe.data.held_out == "fsdd-jackson-"
    assert recipe.rnnt_config.n_classes == 128
