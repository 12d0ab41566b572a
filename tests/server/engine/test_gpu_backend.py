"""The backend cuda without a GPU: the same runner on this processor."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gharial_asr.artefact import write_artefact
from gharial_asr.checkpoint import Ngram, save_hardware_checkpoint
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.decoding.settings import BEAM, GREEDY, DecoderSettings
from gharial_asr.recognition import Recognition
from gharial_asr.resets import ResetSettings
from gharial_asr.runner import Batch
from gharial_asr.tokenizer import WORD_START
from gharial_cli.main import main
from gharial_server.bench.machine import this_machine
from gharial_server.bench.measure import measure
from gharial_server.bench.settings import BenchSettings
from gharial_server.bench.steps import time_steps
from gharial_server.bench.subject import SpeakingDevice, Subject
from gharial_server.bench.text import steps_text
from gharial_server.engine.backends import BackendSettings
from gharial_server.engine.build import build_engine
from gharial_server.engine.gpu import load_on
from random_ngrams import arpa
from tiny_models import babble, tiny_checkpoint, tiny_tokenizer

HERE = torch.device("cpu")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gharial"
    write_artefact(compile_checkpoint(tiny_checkpoint(), "int8", target="cuda"), path)
    return path


def test_without_a_gpu_the_remedy_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OSError, match="no CUDA device; use --backend cpu"):
        build_engine("cuda", BackendSettings(model), "general", "v1", "en")


def test_bench_without_a_gpu_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "engine", "--backend", "cuda", "--arch", "testing"]) == 1
    assert "no CUDA device; use --backend cpu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--backend", "cuda", "--profile"], "leave out --backend cuda"),
    ],
)
def test_what_a_backend_does_not_do_is_refused_with_the_remedy(
    words: list[str], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "engine", *words]) == 1
    assert remedy in capsys.readouterr().err


def test_beam_search_runs_there_and_takes_an_n_gram_that_it_can_take_apart(model: Path, tmp_path: Path) -> None:
    beam = Recognition(decoder=DecoderSettings("beam"))
    loaded = load_on(HERE, BackendSettings(model, capacity=2, recognition=beam))
    loaded.runner.open(0, 1)
    (row,) = loaded.runner.step(Batch(np.array([0], np.int32), np.array([1], np.uint32), babble(0.06)[None])).rows()
    assert row.hypotheses
    path = tmp_path / "with-ngram.gharial"
    symbols = [piece.replace(" ", WORD_START) for piece in tiny_tokenizer().pieces if piece]
    for binary in (arpa(2, symbols), b"mmap lm http://kheafield.com/code"):
        write_artefact(compile_checkpoint(replace(tiny_checkpoint(), ngram=Ngram(binary, 0.05)), "int8"), path)
        if binary.startswith(b"mmap"):
            with pytest.raises(ValueError, match="leave it out with --ngram-scale 0"):
                load_on(HERE, BackendSettings(path, capacity=2, recognition=beam))
        else:
            load_on(HERE, BackendSettings(path, capacity=2, recognition=beam)).runner.close()


def test_keywords_are_taken_and_those_the_model_cannot_write_are_refused(model: Path) -> None:
    runner = load_on(HERE, BackendSettings(model, capacity=1)).runner
    runner.open(0, 1, (("seven words", 1.0),))
    assert len(runner.step(Batch(np.array([0], np.int32), np.array([1], np.uint32), babble(0.06)[None])).rows()) == 1
    with pytest.raises(ValueError, match="the model cannot write"):
        runner.open(0, 2, (("Zoë", 1.0),))


def test_a_loaded_artefact_runs_with_the_capacity_given(model: Path) -> None:
    loaded = load_on(HERE, BackendSettings(model, capacity=3))
    assert loaded.runner.slots == 3
    assert len(loaded.digest) == 64
    loaded.runner.open(2, 7)
    one = Batch(np.array([2], np.int32), np.array([7], np.uint32), babble(0.06)[None])
    assert len(loaded.runner.step(one).rows()) == 1


def test_without_a_capacity_one_is_measured(model: Path) -> None:
    assert load_on(HERE, BackendSettings(model), batches=(2, 8)).runner.slots >= 1


@pytest.mark.parametrize("decoder", [GREEDY, BEAM])
def test_state_resets_have_two_slots_for_each_stream(model: Path, decoder: DecoderSettings) -> None:
    recognition = Recognition(resets=ResetSettings(3.0, 1.2), decoder=decoder)
    settings = BackendSettings(model, capacity=3, recognition=recognition)
    runner = load_on(HERE, settings).runner
    assert runner.slots == 3
    runner.open(0, 1)
    for frame in babble(6).reshape(-1, 960):
        runner.step(Batch(np.array([0], np.int32), np.array([1], np.uint32), frame[None]))


def test_bench_measures_the_runner_of_a_device() -> None:
    model = compile_checkpoint(tiny_checkpoint(), "int8")
    what = Subject("tiny", "bf16", "this processor", True, SpeakingDevice(model, HERE, "bf16"), model.pieces, None)
    settings = BenchSettings("tiny", 4, 1.0, paced=False, precision="bf16", backend="cuda")
    result = measure(settings, what, 4, this_machine())
    assert (result.device, result.precision, result.streams) == ("this processor", "bf16", 4)
    assert 0.1 < result.tokens_per_frame < 0.4
    assert result.bytes_per_stream > 1000


@pytest.mark.parametrize("decoder", [GREEDY, BEAM])
def test_steps_of_every_batch_size_are_timed_without_the_engine(decoder: DecoderSettings) -> None:
    model = compile_checkpoint(tiny_checkpoint(), "int8")
    placed = SpeakingDevice(model, HERE, "int8", decoder)
    what = Subject("tiny", "int8", "this processor", True, placed, model.pieces, None)
    settings = BenchSettings("tiny", 40, 0.4, precision="int8", backend="cuda")
    result = time_steps(settings, what, this_machine())
    assert [row.batch for row in result.batches] == [1, 8, 32, 40]
    assert all(0 < row.p50_ms <= row.p99_ms and row.steps > 0 for row in result.batches)
    # How many steps the time held is not known; that the pace is that of speech is tested with a fixed number.
    assert 0 < result.batches[-1].tokens_per_frame < 1
    assert "this processor" in steps_text(result)


def test_steps_of_the_processor_are_timed_as_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt"
    save_hardware_checkpoint(path, tiny_checkpoint())
    assert main(["bench", "steps", "--arch", str(path), "--streams", "8", "--seconds", "0.2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["batch"] for row in told["batches"]] == [1, 8]
    assert (told["device"], told["precision"]) == ("cpu", "int8")
