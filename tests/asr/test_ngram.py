"""n-gram fusion: KenLM's numbers, their share in scores, and where an n-gram comes from."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import kenlm
import numpy as np
import pytest
import soundfile
import torch
from gharial_asr.artefact import read_artefact
from gharial_asr.checkpoint import Ngram, save_hardware_checkpoint
from gharial_asr.decoding.beam.search import BeamDecoder
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.ngram import NgramError, NgramScorer
from gharial_asr.decoding.settings import BEAM
from gharial_cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from random_ngrams import arpa
from reference_beam import ReferenceBeam, Rules
from small_networks import JOINT, SmallNetwork
from tiny_models import babble, tiny_checkpoint

# Comparisons closer than this may go either way in float32.
CLOSE = 2e-5
PIECES = ("", " a", "b", " ab", "c")
SYMBOLS = ("<unk>", "▁a", "b", "▁ab", "c")


def in_one_go(model: kenlm.Model, tokens: Sequence[int]) -> float:
    """log10 of a whole sentence's beginning, with KenLM's state carried along."""
    state, total = kenlm.State(), 0.0
    model.BeginSentenceWrite(state)
    for token in tokens:
        after = kenlm.State()
        total += model.BaseScore(state, SYMBOLS[token], after)
        state = after
    return total


@pytest.fixture(scope="module", params=[2, 3, 4])
def ngram(request: pytest.FixtureRequest) -> tuple[NgramScorer, bytes]:
    data = arpa(request.param, SYMBOLS[1:], seed=request.param)
    return NgramScorer(Ngram(data, 0.05), PIECES), data


@settings(max_examples=40, deadline=None)
@given(tokens=st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_tokens_one_by_one_have_the_sentences_probability(
    ngram: tuple[NgramScorer, bytes], tokens: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    scorer, data = ngram
    path = tmp_path_factory.getbasetemp() / "whole.arpa"
    path.write_bytes(data)
    context, total = torch.tensor([scorer.start], dtype=torch.long), 0.0
    for token in tokens:
        following = torch.tensor([token])
        total += float(scorer.scores(context, following))
        context = scorer.next(context, following)
    assert total == pytest.approx(0.05 * math.log(10) * in_one_go(kenlm.Model(str(path)), tokens), abs=1e-5)


@pytest.mark.parametrize("order", [2, 3])
def test_fused_beam_search_equals_the_rules(order: int, tmp_path: Path) -> None:
    path = tmp_path / "n.arpa"
    path.write_bytes(arpa(order, SYMBOLS[1:], seed=order))
    model, scorer = kenlm.Model(str(path)), NgramScorer(Ngram(path.read_bytes(), 0.3), PIECES)

    def share(before: tuple[int, ...], token: int) -> float:
        return 0.3 * math.log(10) * (in_one_go(model, [*before, token]) - in_one_go(model, before))

    changed = 0
    for seed in range(12):
        network = SmallNetwork.random(seed, len(PIECES), 1, blank_bias=2.0, gain=1.0)
        recording = (2 * np.random.default_rng(seed).standard_normal((6, JOINT))).astype(np.float32)
        decoder = BeamDecoder(network.engine(), 1, TextHash(PIECES), BEAM, 0.06, scorer)
        reference = ReferenceBeam(network.plain(recording), PIECES, Rules(), share)
        plain = ReferenceBeam(network.plain(recording), PIECES, Rules())
        with torch.inference_mode():
            decoder.open(0)
            for number, f_J in enumerate(recording):
                f_1J = torch.from_numpy(f_J)[None]
                (row,) = decoder.step(f_1J, torch.tensor([0]), torch.tensor([number])).rows()
                expected, without = reference.frame(number), plain.frame(number)
                if reference.closest < CLOSE:
                    break
                assert row.settled.tokens == expected.settled.tokens
                assert [h.tokens.tokens for h in row.hypotheses] == [h.tokens for h in expected.hypotheses]
                assert [h.score for h in row.hypotheses] == pytest.approx(
                    [h.score for h in expected.hypotheses], abs=1e-4
                )
                # Confidence is the network's alone.
                for found, wanted in zip(row.hypotheses, expected.hypotheses, strict=True):
                    assert found.tokens.probabilities == pytest.approx(wanted.probabilities, abs=1e-4)
                changed += [h.tokens for h in without.hypotheses] != [h.tokens for h in expected.hypotheses]
    assert changed


def test_an_ngram_of_other_pieces_is_refused() -> None:
    with pytest.raises(NgramError, match="knows none of the tokenizer's pieces"):
        NgramScorer(Ngram(arpa(2, ["word", "other"]), 0.05), (" a", "b"))


def test_bytes_that_are_no_ngram_are_refused() -> None:
    with pytest.raises(NgramError, match="make it again with lmplz"):
        NgramScorer(Ngram(b"\\data\\\nnothing of the kind\n", 0.05), PIECES)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A checkpoint with an n-gram, one without, a recording, and a folder with another n-gram."""
    checkpoint = tiny_checkpoint()
    symbols = [piece.replace(" ", "▁") for piece in checkpoint.tokenizer.pieces if piece]
    paths = {name: tmp_path / name for name in ("with.pt", "without.pt", "babble.flac", "folder")}
    save_hardware_checkpoint(paths["with.pt"], replace(checkpoint, ngram=Ngram(arpa(2, symbols), 0.5)))
    save_hardware_checkpoint(paths["without.pt"], checkpoint)
    soundfile.write(paths["babble.flac"], babble(3), 16000)
    paths["folder"].mkdir()
    (paths["folder"] / "ngram.arpa").write_bytes(arpa(2, symbols))
    return paths


def heard(capsys: pytest.CaptureFixture[str], files: dict[str, Path], model: Path, *options: str) -> tuple[str, float]:
    words = ["transcribe", str(files["babble.flac"]), "--checkpoint", str(model), "--json", "--decoder", "beam"]
    assert main([*words, *options]) == 0
    said = json.loads(capsys.readouterr().out)
    return said["transcript"], pytest.approx(said["score"])


def test_the_checkpoints_ngram_decodes_reaches_the_artefact_and_can_be_left_out(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    artefact = tmp_path / "with.gharial"
    assert main(["compile", str(files["with.pt"]), "-o", str(artefact)]) == 0
    capsys.readouterr()
    plain = heard(capsys, files, files["without.pt"])
    fused = heard(capsys, files, files["with.pt"])
    assert fused != plain
    assert heard(capsys, files, artefact) == fused
    assert heard(capsys, files, artefact, "--ngram-scale", "0") == plain
    assert heard(capsys, files, artefact, "--ngram-scale", "0.05") not in (plain, fused)


def test_an_ngram_from_a_folder_takes_the_binary_first(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = str(files["folder"])
    scaled = heard(capsys, files, files["without.pt"], "--ngram", folder, "--ngram-scale", "0.5")
    assert scaled == heard(capsys, files, files["with.pt"])
    artefact = tmp_path / "given.gharial"
    assert main(["compile", str(files["without.pt"]), "--ngram", folder, "-o", str(artefact)]) == 0
    given = read_artefact(artefact).ngram
    assert given is not None
    assert given.scale_factor == 0.05
    (files["folder"] / "ngram.binary").write_bytes(b"broken")
    capsys.readouterr()
    assert main(["compile", str(files["without.pt"]), "--ngram", folder, "-o", str(artefact)]) == 1
    assert "KenLM cannot read the n-gram" in capsys.readouterr().err


def test_a_folder_without_an_ngram_is_named(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = files["folder"]
    (folder / "ngram.arpa").unlink()
    assert main(["compile", str(files["with.pt"]), "--ngram", str(folder), "-o", "x"]) == 1
    assert "holds neither ngram.binary nor ngram.arpa" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--ngram-scale", "0.1"], ["--beam-width", "3"], ["--fuzzy-top-k"]])
def test_options_of_beam_search_are_refused_for_greedy(
    files: dict[str, Path], option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["transcribe", str(files["babble.flac"]), "--checkpoint", str(files["with.pt"]), *option]
    assert main(words) == 1
    assert f"{option[0]} is for --decoder beam" in capsys.readouterr().err
