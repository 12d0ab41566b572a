"""n-grams as tensors against KenLM."""

import numpy as np
import pytest
import torch
from gharial_asr.checkpoint import Ngram
from gharial_asr.decoding.arpa import ArpaError
from gharial_asr.decoding.ngram import NgramError, NgramScorer
from gharial_asr.device.ngram import DeviceNgram
from hypothesis import given, settings
from hypothesis import strategies as st
from random_ngrams import arpa

HERE = torch.device("cpu")
PIECES = ("", " a", "b", " ab", "c", "never counted")
OF_ORDER_SIX = ("\\data\\\n" + "".join(f"\\{n}-grams:\n-1{' b' * n}\n" for n in range(1, 7))).encode()
COUNTED = ["\u2581a", "b", "\u2581ab", "c"]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(order=st.integers(2, 5), seed=st.integers(0, 1000), scale=st.sampled_from([None, 0.7]))
def test_it_scores_what_kenlm_scores_for_any_text(order: int, seed: int, scale: float | None) -> None:
    ngram = Ngram(arpa(order, COUNTED, seed), 0.05)
    kenlm, device = NgramScorer(ngram, PIECES, scale), DeviceNgram(ngram, PIECES, scale, HERE)
    random = np.random.default_rng(seed)
    texts_TR = torch.from_numpy(random.integers(0, len(PIECES), (9, 6)))
    context_RM, context_R = torch.tensor([kenlm.start] * 6), torch.full((6,), device.start)
    for tokens_R in texts_TR:
        every_RK = device.scores(context_R[:, None], torch.arange(len(PIECES)))
        for token in range(len(PIECES)):
            expected_R = kenlm.scores(context_RM, torch.full((6,), token))
            assert torch.allclose(every_RK[:, token], expected_R, atol=1e-5)
        context_RM, context_R = kenlm.next(context_RM, tokens_R), device.next(context_R, tokens_R)


def test_an_n_gram_without_unknown_words_has_kenlms_opinion_of_them() -> None:
    text = arpa(2, COUNTED).decode().replace("<unk>", "d")
    ngram = Ngram(text.encode(), 0.05)
    kenlm, device = NgramScorer(ngram, PIECES), DeviceNgram(ngram, PIECES, None, HERE)
    expected = kenlm.scores(torch.tensor([kenlm.start]), torch.tensor([5]))
    assert torch.allclose(device.scores(torch.tensor([device.start]), torch.tensor([5])), expected)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"mmap lm http://kheafield.com/code", NgramError, "leave it out with --ngram-scale 0"),
        (OF_ORDER_SIX, NgramError, "order 6"),
        (b"\\data\\\nngram 1=1\n\n\\1-grams:\n-1 a b c\n", ArpaError, "line 5 of the n-gram is no 1-gram"),
        (b"\\data\\\n\\1-grams:\n-1 a\n-2 a\n", ArpaError, "twice"),
        (b"\\data\\\n\\1-grams:\n-1 a\n\\2-grams:\n-2 a b\n", ArpaError, "have none of their own"),
        (b"\\data\\\n\\2-grams:\n-1 a b\n", ArpaError, "does not follow"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy(data: bytes, error: type[ValueError], message: str) -> None:
    with pytest.raises(error, match=message):
        DeviceNgram(Ngram(data, 0.05), PIECES, None, HERE)
