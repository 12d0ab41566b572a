"""`gharial bench engine` measures a model at real-time pace."""

import json
from pathlib import Path

import numpy as np
import pytest
from gharial_asr.architectures import random_model
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.runner import Batch
from gharial_cli.main import main
from gharial_server.bench.load import SpeakingRunner
from tiny_models import tiny_checkpoint, tiny_config


def test_a_model_is_measured_and_the_result_is_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_artefact(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), tmp_path / "tiny.gharial")
    line = ["bench", "engine", "--checkpoint", str(tmp_path / "tiny.gharial"), "--streams", "3", "--seconds", "0.7"]
    assert main([*line, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["arch"] == "tiny"
    assert result["streams"] == 3
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert result["cpu_ms_per_audio_second"] > 0
    assert result["bytes_per_stream"] > 1000


def test_without_a_pace_every_batch_holds_every_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_artefact(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), tmp_path / "tiny.gharial")
    line = ["bench", "engine", "--checkpoint", str(tmp_path / "tiny.gharial"), "--streams", "4", "--seconds", "0.5"]
    assert main([*line, "--unpaced", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["mean_batch"] == 4.0
    assert not result["paced"]


def test_no_streams_is_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--streams", "0"]) == 1
    assert "--streams, --threads and --seconds must be positive" in capsys.readouterr().err


def test_a_random_model_computes_and_never_emits() -> None:
    runner = SpeakingRunner(random_model(tiny_config(), "int8"), slots=2)
    for slot in range(2):
        runner.open(slot, 1)
    loud = np.random.default_rng(0).standard_normal((2, 960)).astype(np.float32)
    emitted = runner.step(Batch(np.arange(2, dtype=np.int32), np.ones(2, np.uint32), loud))
    assert emitted.counts.tolist() == [0, 0]
