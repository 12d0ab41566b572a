"""`gharial bench engine` measures a model at real-time pace."""

import json
from typing import Any

import numpy as np
import pytest
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.runner import Batch
from gharial_cli.main import main
from gharial_server.bench.measure import SEARCH_STEP, most_carried
from gharial_server.bench.settings import BenchSettings
from gharial_server.bench.subject import CountingRunner, SpeakingRunner, subject
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


def test_every_format_of_a_stream_has_a_price(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "formats", "--seconds", "3", "--json"]) == 0
    costs = {cost["content_type"]: cost for cost in json.loads(capsys.readouterr().out)["formats"]}
    assert len(costs) == 9
    plain = costs["audio/x-raw;format=S16LE;channels=1;rate=16000"]
    assert (plain["held_ms"], plain["bytes_per_second"]) == (0.0, 32000)
    assert all(plain["cpu_ms_per_audio_second"] < cost["cpu_ms_per_audio_second"] for cost in list(costs.values())[1:])


def test_no_streams_is_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--streams", "0"]) == 1
    assert "--streams, --threads and --seconds must be positive" in capsys.readouterr().err


def test_an_unknown_model_is_an_error_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--arch", "huge"]) == 1
    assert "huge is not there; --arch takes testing, base, large, the file of" in capsys.readouterr().err


def test_beam_search_and_state_resets_are_measured(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = _bench(capsys, "--arch", tiny, "--streams", "2", "--seconds", "0.5", "--decoder", "beam", "--unpaced")
    assert (result["decoder"], result["state_resets"]) == ("beam", False)
    settings = BenchSettings(tiny, streams=2, seconds=1.0, resets=True)
    runner, inner = subject(settings).for_streams(2)
    assert (runner.slots, inner.slots) == (2, 4)


def test_state_resets_without_a_pace_are_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--state-resets", "--unpaced"]) == 1
    assert "leave out --unpaced" in capsys.readouterr().err


@pytest.mark.parametrize("decoder", [DecoderSettings("greedy"), DecoderSettings("beam")])
def test_random_weights_speak_at_the_pace_of_speech(decoder: DecoderSettings) -> None:
    streams, steps = 40, 40
    runner = CountingRunner(SpeakingRunner(compile_checkpoint(tiny_checkpoint(), "int8"), streams, decoder))
    for slot in range(streams):
        runner.open(slot, 1)
    noise = np.random.default_rng(0).standard_normal((steps, streams, 960)).astype(np.float32)
    slots, generations = np.arange(streams, dtype=np.int32), np.ones(streams, np.uint32)
    for samples in noise:
        emissions = runner.step(Batch(slots, generations, samples))
    assert runner.rows == streams * steps
    settled = runner.tokens + sum(len(row.all_of_it().tokens) - len(row.settled.tokens) for row in emissions.rows())
    # One question in five is answered by a token, and asked again: a quarter of a token for each frame.
    assert 0.15 < settled / runner.rows < 0.35
