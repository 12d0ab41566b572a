"""Long streams: nothing grows, nothing drifts, and what comes after them is as new. Ten hours: docs/benchmarks.md."""

import json
from pathlib import Path

import pytest
import torch
from gharial_asr.compilation import load_model
from gharial_cli.main import main
from gharial_server.bench.soak import Soak, SoakSettings

ROOT = Path(__file__).parents[3]
STARTER = ROOT / "models/starter/starter.gharial"
DIGITS = ROOT / "models/starter/samples/digits.flac"
MINUTES = 2


@pytest.mark.parametrize("options", [[], ["--state-resets", "--decoder", "beam"]], ids=["greedy", "beam with resets"])
def test_minutes_of_speech_leave_no_trace_in_memory_answers_or_times(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """2 streams of 2 minutes: 2000 steps. An object kept per step and stream would be seen two thousandfold."""
    arguments = ["--arch", str(STARTER), "--audio", str(DIGITS), "--hours", str(MINUTES / 60), "--streams", "2"]
    assert main(["bench", "soak", *arguments, *options, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["streams_agree"]
    assert result["fresh_agrees"]
    assert result["end_seconds"] == MINUTES * 60
    assert result["late_objects"] - result["early_objects"] < 300
    assert result["late_rss"] - result["early_rss"] < 16 << 20
    assert result["early_heard"].startswith("nine five")
    if options:
        assert result["late_largest_cell"] < 1.3 * result["early_largest_cell"]


def test_a_difference_in_one_streams_state_is_seen() -> None:
    soak = Soak(load_model(STARTER), SoakSettings(str(STARTER), 1.0, 3, "int8", (DIGITS,)))
    try:
        soak.run(3)
        assert len(set(soak.digests())) == 1
        with torch.inference_mode():
            soak.states.post.cell[:, 1] += 2.0
        soak.run(6)
        first, second, third = soak.digests()
        assert first == third != second
    finally:
        soak.engine.stop()


def test_too_few_hours_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "soak", "--hours", "0.001"]) == 1
    assert "--hours at least 0.034" in capsys.readouterr().err
