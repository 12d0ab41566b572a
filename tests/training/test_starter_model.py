"""The starter model in the repository is what its card says."""

from pathlib import Path

import pytest
import soundfile
from gharial_asr.checkpoint import load_hardware_checkpoint
from gharial_asr.compilation import load_model
from gharial_asr.offline import transcribe
from gharial_asr.runner import LocalRunner
from gharial_training.fitting.recipe import load_recipe
from gharial_training.scoring.text import normalise_for_scoring
from gharial_training.scoring.wer import total_errors

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "models" / "starter"


def test_the_checkpoint_has_the_architecture_of_its_recipe() -> None:
    recipe = load_recipe(ROOT / "training" / "recipes" / "starter.yaml")
    checkpoint = load_hardware_checkpoint(STARTER / "starter.hardware.pt")
    sizes = checkpoint.config.rnnt
    assert (sizes.enc_n_hid, sizes.enc_pre_rnn_layers, sizes.enc_post_rnn_layers) == (
        recipe.network.enc_n_hid,
        recipe.network.enc_pre_rnn_layers,
        recipe.network.enc_post_rnn_layers,
    )
    assert checkpoint.tokenizer.size == recipe.pieces


def test_the_files_are_small_enough_for_a_repository() -> None:
    assert (STARTER / "starter.hardware.pt").stat().st_size <= 25e6
    assert (STARTER / "starter.gharial").stat().st_size <= 20e6


def test_the_artefact_was_compiled_from_the_checkpoint() -> None:
    artefact, checkpoint = load_model(STARTER / "starter.gharial"), load_model(STARTER / "starter.hardware.pt")
    recordings = [soundfile.read(path, dtype="float32")[0] for path in sorted((STARTER / "samples").glob("*.flac"))]
    heard = [
        {index: result.tokens for index, result in transcribe(LocalRunner(model, 8), model, recordings)}
        for model in (artefact, checkpoint)
    ]
    assert heard[0] == heard[1]


@pytest.mark.parametrize("file", ["starter.hardware.pt", "starter.gharial"])
def test_three_in_four_digits_of_a_speaker_who_was_never_trained_on_are_understood(file: str) -> None:
    model = load_model(STARTER / file)
    files = sorted((STARTER / "samples").glob("digits*.flac"))
    recordings = [soundfile.read(path, dtype="float32")[0] for path in files]
    results = dict(transcribe(LocalRunner(model, len(files)), model, recordings))
    pairs = [
        (normalise_for_scoring(path.with_suffix(".txt").read_text()), normalise_for_scoring(results[index].transcript))
        for index, path in enumerate(files)
    ]
    errors = total_errors(pairs)
    assert errors.reference_words >= 20
    assert errors.rate <= 0.25, pairs
