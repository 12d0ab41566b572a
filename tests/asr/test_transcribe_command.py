"""`gharial compile` and `gharial transcribe`, as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gharial_asr.artefact import write_artefact
from gharial_asr.audio import read_audio
from gharial_asr.checkpoint import save_hardware_checkpoint
from gharial_asr.compilation import compile_checkpoint, load_model
from gharial_cli.main import main
from tiny_models import babble, tiny_checkpoint

STARTER = Path(__file__).parents[2] / "models" / "starter"
SAMPLES = STARTER / "samples"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.pt"
    save_hardware_checkpoint(path, tiny_checkpoint())
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "babble.flac"
    soundfile.write(path, babble(4), 16000)
    return path


def test_json_has_tokens_with_their_frames_and_words_with_their_times(
    checkpoint: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(recording), str(recording), "--checkpoint", str(checkpoint), "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == second
    assert first["file"] == str(recording)
    assert first["encoder_frames"] == 67
    assert len(first["tokens"]) == len(first["frames"]) > 0
    assert first["frames"] == sorted(first["frames"])
    assert [word["text"] for word in first["words"]] == first["transcript"].split()
    assert {"start", "end", "confidence"} <= first["words"][0].keys()
    times = [word[name] for word in first["words"] for name in ("start", "end")]
    assert times == [round(time, 3) for time in times]


def test_a_compiled_checkpoint_gives_the_same_transcript(
    checkpoint: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artefact = tmp_path / "tiny.gharial"
    assert main(["compile", str(checkpoint), "-o", str(artefact), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sha256"]) == 64
    shown = []
    for model in (checkpoint, artefact):
        assert main(["transcribe", str(recording), "--checkpoint", str(model)]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert shown[0].strip()


@pytest.mark.parametrize("model", ["starter.hardware.pt", "starter.gharial"])
def test_bf16_reads_a_checkpoint_and_an_artefact(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["transcribe", str(SAMPLES / "digits-jackson-004.flac"), "--checkpoint", str(STARTER / model), "--json"]
    heard = {}
    for precision in ("bf16", "float32"):
        assert main([*words, "--precision", precision]) == 0
        heard[precision] = json.loads(capsys.readouterr().out)
    assert heard["bf16"]["transcript"] == heard["float32"]["transcript"] != ""
    assert heard["bf16"]["score"] != heard["float32"]["score"]
    assert heard["bf16"]["score"] == pytest.approx(heard["float32"]["score"], abs=0.1)


@pytest.mark.parametrize("target", ["cpu", "cuda", "card"])
def test_an_artefact_says_for_what_it_was_compiled(
    target: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tiny.gharial"
    assert main(["compile", str(checkpoint), "--target", target, "-o", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["target"], told["architecture"], told["version"]) == (target, "custom", "1.14.0")
    assert load_model(output).target == target


@pytest.mark.parametrize("options", [[], ["--decoder", "beam"], ["--decoder", "beam", "--beam-width", "2"]])
def test_json_has_the_score_and_all_readings_best_first(
    checkpoint: Path, recording: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(recording), "--checkpoint", str(checkpoint), "--json", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    scores = [reading["score"] for reading in said["nbest"]]
    assert said["score"] == scores[0] < 0
    assert scores == sorted(scores, reverse=True)
    assert said["nbest"][0] == {name: said[name] for name in ("transcript", "score", "confidence")}
    assert len({reading["transcript"] for reading in said["nbest"]}) == len(scores)
    assert len(said["tokens"]) == len(said["frames"]) > 0
    assert [word["text"] for word in said["words"]] == said["transcript"].split()


def test_a_beam_width_without_beam_is_refused(
    checkpoint: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["transcribe", str(recording), "--checkpoint", str(checkpoint), "--beam-width", "3"]) == 1
    assert "--decoder beam" in capsys.readouterr().err


def test_a_missing_file_is_named(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", "/nowhere.wav", "--checkpoint", str(checkpoint)]) == 1
    assert "no such file: /nowhere.wav" in capsys.readouterr().err


def test_an_artefact_is_not_compiled_again(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artefact = tmp_path / "tiny.gharial"
    assert main(["compile", str(checkpoint), "-o", str(artefact)]) == 0
    assert main(["compile", str(artefact), "-o", str(tmp_path / "again.gharial")]) == 1
    assert "tiny.gharial is compiled already; give the hardware checkpoint" in capsys.readouterr().err


def test_an_artefact_that_cannot_be_written_is_refused_and_leaves_nothing_behind(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for output in (tmp_path / "nowhere" / "tiny.gharial", tmp_path):
        assert main(["compile", str(checkpoint), "-o", str(output)]) == 1
        assert f"{output} cannot be written; name a file in a folder that is there" in capsys.readouterr().err
    with pytest.raises(OSError, match="cannot be written"):
        write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), tmp_path)
    assert [file.name for file in (*tmp_path.iterdir(), *tmp_path.parent.glob("*.part"))] == ["tiny.pt"]


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan], np.float32), 16000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"nan\.wav holds samples that are no numbers"):
        read_audio(tmp_path / "nan.wav")


def test_a_file_without_audio_is_named(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["transcribe", str(checkpoint), "--checkpoint", str(checkpoint)]) == 1
    assert "is no audio file" in capsys.readouterr().err


def test_other_rates_and_channels_become_16_khz_mono(tmp_path: Path) -> None:
    seconds = np.arange(48000) / 48000
    stereo = np.stack((np.sin(2 * np.pi * 440 * seconds), np.zeros(48000)), 1).astype(np.float32)
    soundfile.write(tmp_path / "tone.wav", stereo, 48000, subtype="FLOAT")
    samples = read_audio(tmp_path / "tone.wav")
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) / 2
    assert len(samples) == 16000
    assert np.abs(samples - expected)[200:-200].max() < 1e-3
