"""Beam search as fixed kernels against that of the processor, over random models and inputs."""

import numpy as np
import torch
from beam_cases import CLOSE, FRAME, SLOTS, Case, as_frame, cases, check, decode_in_groups, decoder_of, reference
from gharial_asr.checkpoint import Ngram
from gharial_asr.decoding.beam.entries import best_distinct as best_distinct_asking
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.boosting import Booster
from gharial_asr.decoding.keyword_automaton import compile_keywords
from gharial_asr.decoding.keyword_scores import KeywordScorer
from gharial_asr.decoding.ngram import NgramScorer
from gharial_asr.device.beam.distinct import best_distinct
from gharial_asr.device.beam.search import BeamKernels, BeamOnDevice
from gharial_asr.device.ngram import DeviceNgram
from gharial_asr.emissions import Emissions, Row
from gharial_asr.inference.network import Network
from gharial_asr.keywords import checked
from gharial_asr.tokenizer import WORD_START
from hypothesis import given, settings
from hypothesis import strategies as st
from random_ngrams import arpa
from spelling import Spelt

HERE = torch.device("cpu")
PHRASES = st.dictionaries(
    st.sampled_from(["a", "ab", "ba", "aab", "b a", "bb"]), st.sampled_from([-1.0, 0.3, 1.0]), min_size=1, max_size=4
)


class Alone:
    """The device's beam search without what comes before it; implements `gharial_asr.decoding.decoder.Decoder`."""

    def __init__(self, network: Network, case: Case, places: tuple[int, ...], ngram: DeviceNgram | None = None) -> None:
        texts = TextHash(case.pieces)
        self._decoder = BeamOnDevice(network, HERE, texts, case.settings, FRAME, ngram, SLOTS)
        self._kernels = BeamKernels(self._decoder, SLOTS + 2, places)
        self.bytes_per_slot = self._decoder.bytes_per_slot
        self.keywords = self._decoder.keywords

    def open(self, slot: int) -> None:
        self._decoder.open(slot)
        self._decoder.make_new(torch.tensor([slot]))

    def step(self, f_BJ: torch.Tensor, slots_B: torch.Tensor, frames_B: torch.Tensor) -> Emissions:
        boosted = not self.keywords.idle
        self.keywords.renew()
        filling = SLOTS + 2 - len(slots_B)
        told_B = torch.from_numpy(self._decoder.tell(slots_B.numpy())).long()
        whole_B = torch.nn.functional.pad(slots_B, (0, filling), value=SLOTS)
        f_BJ = torch.nn.functional.pad(f_BJ, (0, 0, 0, filling))
        self._kernels.first(f_BJ, whole_B, torch.nn.functional.pad(told_B, (0, filling)), boosted)
        while self._kernels.found[0]:
            self._kernels.more(whole_B, boosted)
        return self._decoder.emissions(self._kernels.found.numpy(), slots_B.numpy(), frames_B.int().numpy())


def same(rows: list[Row], expected: list[Row]) -> bool:
    try:
        check(rows, [as_frame(row) for row in expected])
    except AssertionError:
        return False
    return True


@settings(max_examples=25, deadline=None, derandomize=True)
@given(case=cases(), places=st.sampled_from([(14, 14), (14, 7, 7), (9, 4, 14), (5, 3, 2)]))
def test_it_finds_what_the_processor_finds_whatever_the_sizes_of_its_rounds(
    case: Case, places: tuple[int, ...]
) -> None:
    expected = decode_in_groups(decoder_of(case), case.recordings, case.order)
    found = decode_in_groups(Alone(case.network.engine(), case, places), case.recordings, case.order)
    for rows, wanted, recording in zip(found, expected, case.recordings, strict=True):
        # The order of a sum may decide between two that are all but equal.
        assert same(rows, wanted) or reference(case, recording)[1] < CLOSE


@settings(max_examples=8, deadline=None, derandomize=True)
@given(case=cases(), phrases=st.lists(PHRASES, min_size=1, max_size=3), with_ngram=st.booleans())
def test_keywords_and_an_n_gram_change_what_they_change_on_the_processor(
    case: Case, phrases: list[dict[str, float]], with_ngram: bool
) -> None:
    classes = len(case.pieces) + 1
    spelt, booster = Spelt(case.pieces), Booster(SLOTS, classes)
    counted = [piece.replace(" ", WORD_START) for piece in dict.fromkeys(case.pieces) if piece]
    ngram = Ngram(arpa(2, counted, case.order), 0.3)
    alone = Alone(
        case.network.engine(), case, (9, 4, 14), DeviceNgram(ngram, case.pieces, None, HERE) if with_ngram else None
    )
    for slot in range(SLOTS):
        can_be_said = {text: boost for text, boost in phrases[slot % len(phrases)].items() if spelt.spellings(text)}
        automaton = compile_keywords(checked(can_be_said), spelt) if can_be_said and slot % 4 else None
        booster.assign(slot, automaton)
        alone.keywords.assign(slot, automaton)
    judge = KeywordScorer(booster, NgramScorer(ngram, case.pieces) if with_ngram else None)
    expected = decode_in_groups(decoder_of(case, judge), case.recordings, case.order)
    found = decode_in_groups(alone, case.recordings, case.order)
    # Where two are all but equal the order of a sum may decide.
    assert sum(not same(rows, wanted) for rows, wanted in zip(found, expected, strict=True)) <= 1


@settings(max_examples=300, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_texts_are_one_as_they_are_on_the_processor(seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = random.integers(1, 5), random.integers(1, 12)
    score_BC = torch.from_numpy(random.standard_normal(shape))
    score_BC[torch.from_numpy(random.random(shape) < 0.3)] = -torch.inf
    text_BC = torch.from_numpy(random.integers(0, 5, shape))
    count = int(random.integers(1, shape[1] + 1))
    (index, best), (wanted_index, wanted) = (
        each(score_BC, text_BC, count) for each in (best_distinct, best_distinct_asking)
    )
    assert torch.allclose(best, wanted)
    assert torch.equal(index[best > -torch.inf], wanted_index[wanted > -torch.inf])
