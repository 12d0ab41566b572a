"""More voices for few words: read out by synthesisers, or cut out of flowing speech."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gharial_cli.main import main
from gharial_cluster import preflight
from gharial_cluster.progress import Progress
from gharial_training.data.corpus import Corpus, decode_corpus
from gharial_training.data.excerpts import Aligner, excerpts
from gharial_training.data.shards import read_shard, write_shard
from gharial_training.data.voices import installed_voices, speak

SAMPLES = Path(__file__).parents[2] / "models" / "starter" / "samples"
READING = "every measure pursued by the commons"


@pytest.fixture(scope="module")
def synthesiser() -> str:
    """A program that speaks, installed when it is not there."""
    if shutil.which("espeak-ng") is None:
        preflight.install_packages(["espeak-ng"], Progress())
    return "espeak-ng"


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A human sentence as a corpus."""
    folder = tmp_path_factory.mktemp("reading")
    audio, _ = soundfile.read(SAMPLES / "reading-8226-0000.flac", dtype="float32")
    assert list(write_shard(folder / "one.tar", [("ls-8226-0000", audio, READING)])) == ["ls-8226-0000"]
    assert len(list(decode_corpus([folder / "one.tar"], folder / "corpus"))) == 1
    return Corpus(folder / "corpus")


def test_the_words_of_a_known_sentence_are_found_in_their_order(reading: Corpus) -> None:
    (utterance,) = reading.utterances
    spans = Aligner().align(reading.audio(utterance), READING)
    assert [span.word for span in spans] == READING.split()
    assert all(0 <= span.start < span.end <= utterance.seconds + 0.02 for span in spans)
    assert all(first.end <= second.start + 0.011 for first, second in itertools.pairwise(spans))


def test_a_sentence_with_an_unknown_word_is_left_out(reading: Corpus) -> None:
    assert Aligner().align(reading.audio(reading.utterances[0]), "every xqzzt pursued") == []


def test_only_wanted_words_of_a_fitting_length_are_cut_out(reading: Corpus) -> None:
    ((key, audio, text),) = excerpts(reading, {"measure", "zero"}, "ls-", most=5)
    assert (key, text) == ("cut-ls-8226-0000-1", "measure")
    assert 0.16 <= len(audio) / 16000 <= 1.0
    assert np.abs(audio).max() > 0.01
    assert list(excerpts(reading, {"measure"}, "ls-", most=0)) == []


def test_every_voice_says_the_same_word_differently(synthesiser: str) -> None:
    voices = [voice for voice in installed_voices() if voice.program == "espeak"][:3]
    assert len({voice.name for voice in voices}) == 3
    spoken = [speak(voice, "seven", np.random.default_rng(1)) for voice in voices]
    assert all(0.2 < len(audio) / 16000 < 2 and np.abs(audio).max() > 0.05 for audio in spoken)
    assert len({audio.tobytes() for audio in spoken}) == 3
    again = speak(voices[0], "seven", np.random.default_rng(1))
    assert again.tobytes() == spoken[0].tobytes()


def test_words_are_synthesised_into_a_shard(
    synthesiser: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "voices.tar"
    assert main(["data", "synthesize", "--words", "one", "--takes", "1", "--output", str(shard)]) == 0
    samples = list(read_shard(shard))
    assert len(samples) == len(installed_voices()) and {sample.text for sample in samples} == {"one"}
    assert len({sample.key for sample in samples}) == len(samples)
    assert f"{len(samples)} words" in capsys.readouterr().out
