"""int8 beside float32: the starter model's words on real speech, and what `gharial validate --precision both` says."""

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
    """Word error rates on the samples within 0.1 of each other, and at most one token in ten differs under noise."""
    recordings = [mixed(x, level, seed) for level in LEVELS for seed, x in enumerate(speech())]
    int8, float32 = decode("int8", recordings), decode("float32", recordings)
    texts = [path.with_suffix(".txt").read_text() for path in SPEECH]
    rates = [
        total_errors(
            (normalise_for_scoring(said), normalise_for_scoring(heard))
            for said, (_, heard) in zip(texts, results, strict=False)
        ).rate
        for results in (int8, float32)
    ]
    assert abs(rates[0] - rates[1]) <= 0.1, rates
    changes = sum(count_errors(list(map(str, a)), list(map(str, b))).errors
                  for (a, _), (b, _) in zip(float32, int8, strict=True))  # fmt: skip
    assert changes <= 0.1 * sum(len(tokens) for tokens, _ in float32)


def report(*heard: tuple[str, str]) -> SetReport:
    pairs = tuple((str(i), said, text) for i, (said, text) in enumerate(heard))
    return SetReport("set", total_errors(heard), 1.0, pairs)


def test_the_gap_counts_changed_words_also_where_both_are_wrong() -> None:
    float32 = report(("one two", "one two"), ("three four", "three for"))
    int8 = report(("one two", "one"), ("three four", "three fore"))
    gap = precision_gap(int8, float32)
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
    assert row == {"set": "set", "utterances": 1, "wer_difference": -0.5, "changed": 1, "word_changes": 0.5}
