"""Batched beam search against the reference that is written from the rules, over random models and inputs."""

import numpy as np
import pytest
import torch
from beam_cases import (
    CLOSE,
    FRAME,
    SLOTS,
    Case,
    Frames,
    as_frame,
    cases,
    check,
    decode_in_groups,
    decoder_of,
    reference,
    talkative_case,
)
from gharial_asr.decoding.beam.search import BeamDecoder
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.greedy import GreedyDecoder
from gharial_asr.decoding.settings import BEAM
from gharial_asr.emissions import Tokens
from hypothesis import assume, given, settings
from reference_beam import Hypothesis, greedy
from small_networks import JOINT, PREDICTION, SmallNetwork


@settings(max_examples=55, deadline=None, derandomize=True)
@given(cases())
def test_batched_in_any_grouping_equals_the_rules(case: Case) -> None:
    found = decode_in_groups(decoder_of(case), case.recordings, case.order)
    compared = 0
    for rows, recording in zip(found, case.recordings, strict=True):
        expected, closest = reference(case, recording)
        if closest > CLOSE:
            check(rows, expected)
            compared += 1
    assume(compared)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(cases())
def test_a_stream_alone_in_a_new_decoder_says_what_it_says_among_others(case: Case) -> None:
    together = decode_in_groups(decoder_of(case), case.recordings, case.order)
    for rows, recording in zip(together, case.recordings, strict=True):
        if reference(case, recording)[1] > CLOSE:
            (alone,) = decode_in_groups(decoder_of(case), [recording], case.order)
            expected = [as_frame(row) for row in alone]
            check(rows, expected)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(cases())
def test_greedy_equals_its_rules(case: Case) -> None:
    decoder = GreedyDecoder(case.network.engine(), SLOTS)
    found = decode_in_groups(decoder, case.recordings, case.order)
    for rows, recording in zip(found, case.recordings, strict=False):
        expected = greedy(case.network.plain(recording), len(recording))
        said = [token for row in rows for token in row.settled.tokens]
        # Where two classes come close float32 may choose the other; from there on all differs.
        assert len(said) <= 30 * len(recording)
        assert not any(row.hypotheses for row in rows)
        if decisive(case, recording, expected):
            assert tuple(said) == expected.tokens
            assert tuple(frame for row in rows for frame in row.settled.frames) == expected.frames


def decisive(case: Case, recording: Frames, said: Hypothesis) -> bool:
    """Whether no two best classes came close on the way of greedy decoding."""
    model = case.network.plain(recording)
    for frame in range(len(recording)):
        before = sum(each < frame for each in said.frames)
        for end in range(before, sum(each <= frame for each in said.frames) + 1):
            best, second = sorted(model(frame, said.tokens[:end]), reverse=True)[:2]
            if best - second < CLOSE:
                return False
    return True


class CountingNetwork:
    """A network by hand: its one token is certain until so many were emitted, then the blank is."""

    def __init__(self, until: int) -> None:
        self.config = SmallNetwork.random(0, 2, 1, 0.0, 1.0).config
        self._until = until

    def embed(self, labels_B: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(labels_B), PREDICTION)

    def predict(self, embedded_BP: torch.Tensor, hidden_LBP: torch.Tensor, cell_LBP: torch.Tensor) -> torch.Tensor:
        cell_LBP += 1
        return cell_LBP[0, :, :1].expand(-1, JOINT)

    def logits(self, f_BJ: torch.Tensor, g_BJ: torch.Tensor) -> torch.Tensor:
        emitted_B = g_BJ[:, 0] - 1
        blank_B = torch.where(emitted_B < self._until, -30.0, 30.0)
        return torch.stack((torch.zeros_like(blank_B), torch.full_like(blank_B, -60.0), blank_B), 1)


@pytest.mark.parametrize(("until", "emitted"), [(7, 7), (8, 8), (9, 0)])
def test_after_eight_tokens_of_one_frame_only_the_blank_is_left(until: int, emitted: int) -> None:
    """The ninth token would make it cheap to end the frame. It never comes, so none is worth its price."""
    decoder = BeamDecoder(CountingNetwork(until), 1, TextHash(("a", "b")), BEAM, FRAME)  # type: ignore[arg-type]
    ((row,),) = decode_in_groups(decoder, [np.zeros((1, JOINT), np.float32)], 0)
    assert len(row.all_of_it().tokens) == emitted


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.25])
def test_no_token_stays_open_for_longer_than_it_may(seconds: float) -> None:
    case = talkative_case(seconds_open=seconds, token_threshold=-1.0, score_threshold=-1.0)
    (rows,) = decode_in_groups(decoder_of(case), case.recordings, 0)
    for now, row in enumerate(rows):
        for hypothesis in row.hypotheses:
            assert all((now - frame) * FRAME <= seconds + 1e-9 for frame in hypothesis.tokens.frames)


def test_a_width_of_one_has_one_hypothesis_and_settles_it() -> None:
    case = talkative_case(beam_width=1)
    (rows,) = decode_in_groups(decoder_of(case), case.recordings, 0)
    assert all(len(row.hypotheses) == 1 and row.hypotheses[0].tokens == Tokens() for row in rows)
