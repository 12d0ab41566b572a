"""Shards become corpora; audio and text are changed as the settings say."""

import io
import itertools
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from gharial_asr.config import FilterbankConfig
from gharial_asr.features import LogMel
from gharial_cli.main import main
from gharial_training.data import statistics
from gharial_training.data.augment import (
    Augmentation,
    add_noise,
    augment_audio,
    change_speed,
    mask_features,
    narrow_band,
)
from gharial_training.data.corpus import Corpus, decode_corpus
from gharial_training.data.pieces import train_tokenizer
from gharial_training.data.recombine import Recombination, WordBank, cut_at_pauses
from gharial_training.data.text import CHARACTERS, normalise
from gharial_training.fitting.batches import TrainingData
from gharial_training.fitting.recipe import DataSettings

RATE = 16000


def _tone(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def _encoded(audio: np.ndarray, kind: str, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(
        file, audio, rate, format="OGG" if kind == "opus" else kind, subtype="OPUS" if kind == "opus" else None
    )
    return file.getvalue()


def write_shard(path: Path, members: dict[str, bytes]) -> None:
    """A tar file of the given members, in order."""
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "one.tar"
    write_shard(
        path,
        {
            "a-1.flac": _encoded(_tone(440, 0.5), "FLAC"),
            "a-1.txt": b"hello there\n",
            "a-2.opus": _encoded(_tone(440, 0.5), "opus"),
            "a-2.txt": b"again",
            "b-1.txt": b"stereo at another rate",
            "b-1.wav": _encoded(np.stack([_tone(440, 0.5, 22050)] * 2, 1), "WAV", 22050),
            "b-2.wav": b"no audio at all",
            "b-2.txt": b"broken",
        },
    )
    return path


def test_shards_are_decoded_to_16_khz_mono_and_broken_recordings_are_named(shard: Path, tmp_path: Path) -> None:
    entries = list(decode_corpus([shard], tmp_path / "corpus"))
    assert entries[-1] == "b-2"
    corpus = Corpus(tmp_path / "corpus")
    assert [u.key for u in corpus.utterances] == ["a-1", "a-2", "b-1"]
    assert [u.text for u in corpus.matching("a-")] == ["hello there", "again"]
    for utterance in corpus.utterances:
        assert utterance.seconds == pytest.approx(0.5, abs=0.01)
        spectrum = np.abs(np.fft.rfft(corpus.audio(utterance)))
        assert spectrum.argmax() / utterance.seconds == pytest.approx(440, abs=4)


def test_a_shard_with_audio_but_no_text_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "half.tar", {"x.flac": _encoded(_tone(440, 0.1), "FLAC")})
    with pytest.raises(ValueError, match="lack audio or text, for example x"):
        list(decode_corpus([tmp_path / "half.tar"], tmp_path / "corpus"))


def test_the_command_line_prepares_and_looks(shard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = str(tmp_path / "corpus")
    assert main(["data", "prepare", "--shards", str(shard), "--corpus", corpus]) == 0
    assert "1 recordings left out" in capsys.readouterr().out
    assert main(["data", "look", "--corpus", corpus, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["a"] == {"utterances": 2, "hours": 0.0, "words": 3}
    assert main(["data", "prepare", "--shards", "missing.tar", "--corpus", corpus]) == 1
    assert "no such shard: missing.tar" in capsys.readouterr().err


def test_noise_is_added_at_the_asked_ratio() -> None:
    rng = np.random.default_rng(0)
    speech, noise = _tone(300, 1), rng.standard_normal(5000).astype(np.float32)
    added = add_noise(speech, noise, 10.0, rng) - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(added**2)) == pytest.approx(10, abs=0.01)


def test_speed_changes_length_and_pitch() -> None:
    fast = change_speed(_tone(400, 1), 1.25)
    assert len(fast) == pytest.approx(RATE / 1.25, abs=2)
    assert np.abs(np.fft.rfft(fast)).argmax() * RATE / len(fast) == pytest.approx(500, abs=2)


def test_narrow_band_keeps_what_is_low_and_drops_what_is_high() -> None:
    low, high = narrow_band(_tone(1000, 1)), narrow_band(_tone(6000, 1))
    assert np.std(low[1000:-1000]) > 0.2
    assert np.std(high[1000:-1000]) < 0.01


def test_augmented_audio_depends_on_nothing_but_the_generator() -> None:
    settings, noise = Augmentation(), [np.random.default_rng(1).standard_normal(9000).astype(np.float32)]
    one, same, other = (
        augment_audio(_tone(300, 1), noise, settings, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(one, same)
    assert len(one) != len(other) or not np.array_equal(one, other)


def test_masks_cover_bins_and_frames_with_the_mean() -> None:
    settings = Augmentation(frequency_masks=2, frequency_mask_bins=10, time_masks=2, time_mask_share=0.2)
    masked = mask_features(torch.ones(100, 80), settings, np.random.default_rng(0))
    assert 0 < int((masked == 0).all(0).sum()) <= 20
    assert 0 < int((masked == 0).all(1).sum()) <= 40


def test_words_are_cut_at_pauses_and_joined_in_new_orders() -> None:
    pause = np.zeros(RATE // 5, dtype=np.float32)
    audio = np.concatenate([_tone(300, 0.3), pause, _tone(600, 0.4), pause, _tone(900, 0.3)])
    pieces = cut_at_pauses(audio, 3)
    assert [round(len(p) / RATE, 1) for p in pieces] == [0.4, 0.6, 0.4]
    bank = WordBank([("ann", audio, "low mid high")], Recombination(keys="", speaker="", utterances_per_epoch=1))
    assert bank.size == 3
    drawn, text = bank.draw(np.random.default_rng(5))
    assert set(text.split()) <= {"low", "mid", "high"}
    assert len(drawn) >= 0.3 * RATE * len(text.split()) / 1.2


def test_words_come_again_as_often_as_asked() -> None:
    recordings = [("ann", _tone(300 + 9 * i, 0.2), word) for i, word in enumerate("abcdefghij" * 4)]
    settings = Recombination(keys="", speaker="", utterances_per_epoch=1, words=(8, 8), repeats=0.5)
    bank, rng = WordBank(recordings, settings), np.random.default_rng(0)
    texts = [bank.draw(rng)[1].split() for _ in range(60)]
    again = sum(a == b for words in texts for a, b in itertools.pairwise(words))
    assert 0.45 < again / (60 * 7) < 0.65


def test_an_epoch_of_short_utterances_holds_no_long_one(shard: Path, tmp_path: Path) -> None:
    list(decode_corpus([shard], tmp_path / "corpus"))
    data = TrainingData(DataSettings(train=["x"], held_out="b-"), [Corpus(tmp_path / "corpus")], [])
    assert sum(map(len, data.epoch(1, 1, 60))) == 2
    assert data.epoch(1, 1, 60, longest_seconds=0.3) == []


def test_a_recording_without_enough_pauses_is_not_cut() -> None:
    assert cut_at_pauses(_tone(300, 1), 2) == []


def test_statistics_are_those_of_all_frames_and_survive_their_files(tmp_path: Path) -> None:
    log_mel = LogMel(FilterbankConfig())
    recordings = [np.random.default_rng(i).standard_normal(RATE // 2).astype(np.float32) * 0.1 for i in range(3)]
    measured = statistics.measure(log_mel, recordings)
    frames = torch.cat([log_mel(torch.from_numpy(r)[None])[0].double() for r in recordings])
    assert torch.allclose(measured.mean, frames.mean(0))
    assert torch.allclose(measured.variance, frames.var(0, unbiased=False))
    statistics.save(measured, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"melmeans.pt", "melvars.pt", "meln.pt"}
    loaded = statistics.load(tmp_path)
    assert torch.equal(loaded.mean, measured.mean)
    assert loaded.frames == len(frames)


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="no audio"):
        statistics.measure(LogMel(FilterbankConfig()), [])


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("identity", "Café, room 12  !"),
        ("scrub", "af room"),
        ("ascii", "afe room"),
        ("digit_to_word", "afe room one two"),
        ("lowercase", "cafe room one two"),
    ],
)
def test_each_level_does_what_the_level_before_does_and_more(level: str, expected: str) -> None:
    assert normalise("Café, room 12 <noise> !", level, CHARACTERS) == expected  # type: ignore[arg-type]


def test_replacements_come_before_tags_are_removed() -> None:
    assert normalise("a-b <x> c", "lowercase", CHARACTERS, {"-": " "}) == "a b c"


def test_a_tokenizer_that_needs_more_text_says_so() -> None:
    with pytest.raises(ValueError, match="ask for fewer pieces"):
        train_tokenizer(["one two"], 500)
