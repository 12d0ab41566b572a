"""int8 beside float32: the starter model's words on real speech, and what `gharial validate --precision both` says."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gharial_asr.compilation import load_model
from gharial_asr.offline import transcribe
from gharial_asr.precision import Precision
from gharial_asr.runner import LocalRunner
from gharial_cli.main import main
from gharial_training.scoring.measure import SetReport
from gharial_training.scoring.precision import gap_lines, precision_gap
from gharial_training.scoring.text import normalise_for_scoring
from gharial_training.scoring.wer import count_errors, total_errors
from numpy.typing import NDArray

STARTER = Path(__file__).parents[2] / "models/starter"
SPEECH = sorted((STARTER / "samples").glob("*.flac"))
# Decibels of the speech above the noise that it is mixed with; None without noise. In louder noise the model is sure of
# hardly any token, and a third of them differ.
LEVELS = (None, 30, 20)
# Samples of silence before the speech: other frames, to the model another sound.
DELAYS = (0, 320, 640)
Samples = NDArray[np.float32]


def speech() -> list[Samples]:
    return [soundfile.read(path, dtype="float32")[0] for path in SPEECH]


def mixed(x: Samples, level: int | None, seed: int) -> Samples:
    if level is None:
        return x
    noise = np.random.default_rng(seed).standard_normal(len(x))
    loudness = np.sqrt(np.mean(x**2)) * 10 ** (-level / 20)
    return (x + noise * loudness).clip(-1, 1).astype(np.float32)


def decode(precision: Precision, recordings: list[Samples]) -> list[tuple[tuple[int, ...], str]]:
    model = load_model(STARTER / "starter.hardware.pt", precision)
    results = dict(transcribe(LocalRunner(model, 8), model, recordings))
    return [(results[i].tokens, results[i].transcript) for i in range(len(recordings))]


def test_int8_understands_the_words_that_float32_understands() -> None:
    """On 522 words, three hearings in quiet and in noise, error rates are within a point of each other: five words. And
    at most one token in twenty differs. What larger sets say is in docs/benchmarks.md."""
    recordings = [
        np.pad(mixed(x, level, seed), (delay, 0))
        for delay in DELAYS
        for level in LEVELS
        for seed, x in enumerate(speech())
    ]
    int8, float32 = decode("int8", recordings), decode("float32", recordings)
    texts = [normalise_for_scoring(path.with_suffix(".txt").read_text()) for path in SPEECH]
    rates = [
        total_errors(zip(itertools.cycle(texts), (normalise_for_scoring(heard) for _, heard in results))).rate
        for results in (int8, float32)
    ]
    assert abs(rates[0] - rates[1]) <= 0.01, rates
    changes = sum(count_errors(list(map(str, a)), list(map(str, b))).errors
                  for (a, _), (b, _) in zip(float32, int8, strict=True))  # fmt: skip
    assert changes <= 0.05 * sum(len(tokens) for tokens, _ in float32)


def report(*heard: tuple[str, str]) -> SetReport:
    pairs = tuple((str(i), said, text) for i, (said, text) in enumerate(heard))
    return SetReport("set", total_errors(heard), 1.0, pairs)


def test_the_gap_counts_changed_words_also_where_both_are_wrong() -> None:
    float32 = report(("one two", "one two"), ("three four", "three for"))
    int8 = report(("one two", "one"), ("three four", "three fore"))
    gap = precision_gap(int8, float32)
    assert gap.interval is not None
    assert gap.interval[0] <= 0.25 <= gap.interval[1]
    assert gap.wer_difference == pytest.approx(0.25)
    assert gap.changed == 2
    assert gap.word_changes == pytest.approx(0.5)
    assert "+25.00%" in gap_lines([gap])[1]


def test_a_set_without_reference_words_has_no_difference() -> None:
    silent = report(("", ""))
    assert precision_gap(silent, silent).row()["wer_difference"] is None


def test_an_artefact_has_no_float32_to_compare_with(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    artefact = STARTER / "starter.gharial"
    arguments = ["--checkpoint", str(artefact), "--set", f"x={tmp_path}", "--precision", "both"]
    assert main(["validate", *arguments]) == 1
    assert "give the hardware checkpoint (.pt)" in capsys.readouterr().err


def test_json_of_a_gap_is_a_row_per_set() -> None:
    row = precision_gap(report(("a b", "a b")), report(("a b", "a c"))).row()
    assert json.loads(json.dumps(row)) == row
    assert row == {
        "set": "set",
        "utterances": 1,
        "wer_difference": -0.5,
        "interval_95": [-0.5, -0.5],
        "changed": 1,
        "word_changes": 0.5,
    }


def test_the_interval_tells_a_real_difference_from_chance() -> None:
    """Of 60 utterances int8 is wrong in six that float32 understood; or each in three that the other understood."""
    understood, missed = ("one two", "one two"), ("one two", "one")
    exact = report(*[understood] * 60)
    worse = precision_gap(report(*[missed] * 6, *[understood] * 54), exact).interval
    assert worse is not None
    assert 0 < worse[0] < 0.05 < worse[1]
    alike = precision_gap(
        report(*[missed] * 3, *[understood] * 57), report(*[understood] * 3, *[missed] * 3, *[understood] * 54)
    ).interval
    assert alike is not None
    assert alike[0] < 0 < alike[1]


def test_hearings_of_one_utterance_stand_or_fall_together() -> None:
    """Four hearings of two utterances are two chances, not eight: the interval reaches what one of them shows."""
    pairs = [(key, "one", heard) for _ in range(4) for key, heard in (("a", "one"), ("b", "two"))]
    said = [(key, "one", "one") for key, _, _ in pairs]
    int8, float32 = (SetReport("x", total_errors((a, b) for _, a, b in p), 1.0, tuple(p)) for p in (pairs, said))
    assert precision_gap(int8, float32).interval == (0.0, 1.0)
