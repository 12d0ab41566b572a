"""`gharial bench engine` measures a model at real-time pace."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.runner import Batch
from gharial_cli.main import main
from gharial_server.bench.measure import SEARCH_STEP, most_carried
from gharial_server.bench.subject import SPEECH, CountingRunner, DrawnBlank
from tiny_models import tiny_checkpoint


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("bench") / "tiny.gharial"
    write_artefact(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), path)
    return str(path)


def _bench(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["bench", "engine", *words, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_a_model_is_measured_and_the_result_is_one_json_object(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = _bench(capsys, "--arch", tiny, "--streams", "3", "--seconds", "0.7")
    assert (result["arch"], result["streams"], result["random_weights"]) == ("tiny", 3, False)
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert result["cpu_ms_per_audio_second"] > 0
    assert result["generator_cpu_ms_per_audio_second"] > 0
    assert result["bytes_per_stream"] > 1000
    assert result["rss_bytes"] > 10_000_000
    assert result["machine"]["cores"] >= 1
    assert result["machine"]["commit"]


def test_without_a_pace_every_batch_holds_every_stream(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = _bench(capsys, "--checkpoint", tiny, "--streams", "4", "--seconds", "0.5", "--unpaced")
    assert (result["mean_batch"], result["batch_p50"], result["batch_max"]) == (4.0, 4, 4)
    assert not result["paced"]


@pytest.mark.parametrize("first", [1, 7, 32, 500])
@pytest.mark.parametrize("limit", [1, 2, 37, 100, 4096])
def test_a_search_ends_within_5_percent_of_what_is_carried(first: int, limit: int) -> None:
    tries: list[int] = []

    def carried(streams: int) -> bool:
        tries.append(streams)
        return streams <= limit

    found = most_carried(first, carried)
    assert found <= limit < found + max(2, SEARCH_STEP * (limit + 1) + 1)
    assert found in tries
    assert len(tries) == len(set(tries)) <= 20


def test_a_search_says_zero_where_not_one_stream_is_carried() -> None:
    assert most_carried(8, lambda streams: False) == 0


def test_no_streams_is_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--streams", "0"]) == 1
    assert "--streams, --threads and --seconds must be positive" in capsys.readouterr().err


def test_an_unknown_model_is_an_error_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--arch", "huge"]) == 1
    assert "huge is not there; --arch takes testing, base, large, the file of" in capsys.readouterr().err


def test_random_weights_emit_as_often_as_they_are_told() -> None:
    asked = DrawnBlank(lambda x_BK: torch.zeros(len(x_BK), 5), blank=4)
    won = (asked(torch.zeros(20_000, 3)).argmax(1) != 4).float().mean().item()
    assert won == pytest.approx(SPEECH, abs=0.02)


def test_frames_and_tokens_of_a_runner_are_counted() -> None:
    runner = CountingRunner(compile_checkpoint(tiny_checkpoint(), "int8"), slots=20)
    runner.speak()
    for slot in range(20):
        runner.open(slot, 1)
    samples = np.random.default_rng(0).standard_normal((20, 960)).astype(np.float32)
    emitted = sum(
        len(runner.step(Batch(np.arange(20, dtype=np.int32), np.ones(20, np.uint32), samples)).settled.tokens)
        for _ in range(20)
    )
    assert runner.frames == 400
    assert runner.tokens == emitted
    # One question in five is answered by a token, and asked again: a quarter of a token for each frame.
    assert 0.15 < emitted / 400 < 0.35
