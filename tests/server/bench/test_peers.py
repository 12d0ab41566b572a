"""`gharial bench peers` measures other recognisers on the same audio."""

import json
import sys
from pathlib import Path

import pytest
from gharial_asr.artefact import write_artefact
from gharial_asr.audio import read_audio
from gharial_asr.compilation import compile_checkpoint
from gharial_cli.main import main
from gharial_server.bench.peers.sphinx_peer import FRAME_SAMPLES, SphinxStream
from tiny_models import tiny_checkpoint

DIGITS = Path(__file__).parents[3] / "models/starter/samples/digits-jackson-000.flac"


def test_all_recognisers_are_measured_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), tmp_path / "tiny.gharial")
    line = ["bench", "peers", "--arch", str(tmp_path / "tiny.gharial"), "--audio", str(DIGITS), "--streams", "3"]
    assert main([*line, "--seconds", "0.6", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    engine, apart, together, sphinx = result["peers"]
    assert (engine["name"], engine["batch"], engine["ratio"]) == ("gharial", 3, 1.0)
    assert (apart["batch"], together["batch"], sphinx["batch"]) == (1, 3, 1)
    for peer in (engine, apart, together, sphinx):
        assert peer["cpu_ms_per_audio_second"] > 0
        assert peer["streams_per_core"] == pytest.approx(1000 / peer["cpu_ms_per_audio_second"], rel=0.05)
    assert result["audio"] == DIGITS.name


def test_pocketsphinx_hears_words(capsys: pytest.CaptureFixture[str]) -> None:
    stream, samples = SphinxStream(), read_audio(DIGITS)
    for at in range(0, len(samples), FRAME_SAMPLES):
        stream.push(samples[at : at + FRAME_SAMPLES])
    assert stream.finish()


def test_a_missing_peer_is_an_error_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith("gharial_server.bench.peers")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["bench", "peers", "--arch", "testing"]) == 1
    assert "'onnxruntime' is missing. Install the peers with: pip install 'gharial[bench]'" in capsys.readouterr().err
