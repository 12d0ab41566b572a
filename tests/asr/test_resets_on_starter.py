"""State resets on the starter model: real words, long audio."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gharial_asr.audio import read_audio
from gharial_asr.building import build_runner
from gharial_asr.compilation import CompiledModel, load_model
from gharial_asr.decoding.settings import DecoderName, DecoderSettings
from gharial_asr.offline import Samples, Transcription, transcribe
from gharial_asr.recognition import PLAIN, Recognition
from gharial_asr.resets import ResetSettings
from gharial_cli.main import main

STARTER = Path(__file__).parents[2] / "models/starter"
DIGITS = STARTER / "samples/digits.flac"
SHORT = Recognition(ResetSettings(9.0, 3.0))


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    return load_model(STARTER / "starter.gharial", "int8")


def decoded(model: CompiledModel, samples: Samples, recognition: Recognition) -> Transcription:
    return next(transcribe(build_runner(model, 1, recognition), model, [samples]))[1]


def errors(said: list[str], heard: list[str]) -> int:
    """Edit distance in words."""
    before = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        row = [i]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
        before = row
    return before[-1]


def test_long_speech_with_resets_is_as_good_as_without(model: CompiledModel) -> None:
    samples = np.concatenate([read_audio(DIGITS)] * 2)
    said = DIGITS.with_suffix(".txt").read_text().split() * 2
    plain, reset = decoded(model, samples, PLAIN), decoded(model, samples, SHORT)
    assert errors(said, reset.transcript.split()) <= errors(said, plain.transcript.split())
    assert reset.encoder_frames == plain.encoder_frames
    assert list(reset.frames) == sorted(reset.frames)
    assert " ".join(word.text for word in reset.words) == reset.transcript
    assert all(0 < word.confidence <= 1 and word.start < word.end for word in reset.words)
    assert all(earlier.start <= later.start for earlier, later in zip(reset.words, reset.words[1:], strict=False))


@pytest.mark.parametrize(
    ("segment", "decoder"), [(4.2, "greedy"), (5.1, "greedy"), (6.0, "greedy"), (6.6, "greedy"), (4.8, "beam")]
)
def test_wherever_the_seams_fall_digits_come_out_as_without(
    model: CompiledModel, segment: float, decoder: DecoderName
) -> None:
    samples = read_audio(DIGITS)[: 16000 * 10]
    plain = Recognition(decoder=DecoderSettings(decoder=decoder))
    with_resets = Recognition(ResetSettings(segment, 1.8), decoder=DecoderSettings(decoder=decoder))
    assert decoded(model, samples, with_resets).transcript == decoded(model, samples, plain).transcript


def test_the_command_decodes_with_resets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "short.wav", read_audio(DIGITS)[:48000], 16000)
    shown = []
    for options in ([], ["--state-resets"], ["--state-resets", "--reset-segment", "2.4", "--reset-overlap", "1.2"]):
        command = [
            "transcribe",
            str(tmp_path / "short.wav"),
            "--checkpoint",
            str(STARTER / "starter.gharial"),
            "--json",
        ]
        assert main([*command, *options]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] == shown[1]
    assert shown[2]["encoder_frames"] == 50


def test_a_segment_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["transcribe", str(DIGITS), "--checkpoint", str(STARTER / "starter.gharial"), "--state-resets"]
    assert main([*command, "--reset-overlap", "9"]) == 1
    assert "give 1.2 s or more, and at most half a segment (7.5 s)" in capsys.readouterr().err
