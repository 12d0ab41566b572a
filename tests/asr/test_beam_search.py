"""Batched beam search against the reference that is written from the rules, over random models and inputs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from gharial_asr.decoding.beam.search import BeamDecoder
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.decoder import Decoder
from gharial_asr.decoding.greedy import GreedyDecoder
from gharial_asr.decoding.settings import BEAM, DecoderSettings
from gharial_asr.emissions import Row, Tokens
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference_beam import Frame, Hypothesis, ReferenceBeam, Rules, greedy
from small_networks import JOINT, PREDICTION, SmallNetwork, random_pieces

SLOTS = 12
FRAME = 0.06
# Comparisons closer than this may go either way in float32.
CLOSE = 2e-5

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A model, what its decoder is told, and recordings as projected encoder outputs (T, J)."""

    network: SmallNetwork
    pieces: tuple[str, ...]
    settings: DecoderSettings
    recordings: tuple[Frames, ...]
    order: int

    @property
    def rules(self) -> Rules:
        told = self.settings
        return Rules(
            width=told.beam_width,
            temperature=told.temperature,
            candidates_within=told.token_threshold,
            prune_within=told.score_threshold,
            frames_open=int(told.seconds_open / FRAME + 1e-6),
            fuzzy=told.fuzzy,
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    tokens = int(random.integers(2, 20))
    network = SmallNetwork.random(
        seed % 2**31, tokens, layers=int(random.integers(1, 3)),
        blank_bias=random.uniform(-1, 6), gain=random.choice([0.5, 1.0, 2.0]),
    )  # fmt: skip
    told = DecoderSettings(
        decoder="beam",
        beam_width=int(random.integers(1, 6)),
        temperature=float(random.choice([1.0, 1.4])),
        token_threshold=float(random.choice([-1.0, 1.5, 1.5, 3.0])),
        score_threshold=float(random.choice([-1.0, 0.4, 0.4, 2.0])),
        seconds_open=float(random.choice([0.0, 0.18, 1.25])),
        fuzzy=bool(random.random() < 0.25),
    )
    lengths = random.integers(1, 9, SLOTS + 8)
    recordings = tuple((2 * random.standard_normal((length, JOINT))).astype(np.float32) for length in lengths)
    return Case(network, random_pieces(seed, tokens), told, recordings, seed)


def decoder_of(case: Case) -> BeamDecoder:
    return BeamDecoder(case.network.engine(), SLOTS, TextHash(case.pieces), case.settings, FRAME)


@torch.inference_mode()
def decode_in_groups(decoder: Decoder, recordings: Sequence[Frames], order: int) -> list[list[Row]]:
    """Each recording's rows. Slots are given on; each step takes any of the streams that are not through."""
    random = np.random.default_rng(order)
    rows: list[list[Row]] = [[] for _ in recordings]
    waiting = list(range(len(recordings)))
    running: dict[int, int] = {}
    while waiting or running:
        for slot in range(min(SLOTS, len(recordings))):
            if slot not in running and waiting:
                running[slot] = waiting.pop(0)
                decoder.open(slot)
        chosen = [slot for slot in running if random.random() < 0.7] or list(running)[:1]
        random.shuffle(chosen)
        frames = [len(rows[running[slot]]) for slot in chosen]
        f_BJ = np.stack([recordings[running[slot]][frame] for slot, frame in zip(chosen, frames, strict=True)])
        yielded = decoder.step(torch.from_numpy(f_BJ), torch.tensor(chosen), torch.tensor(frames)).rows()
        for slot, row in zip(chosen, yielded, strict=True):
            number = running[slot]
            rows[number].append(row)
            if len(rows[number]) == len(recordings[number]):
                del running[slot]
    return rows


def agrees(run: Tokens, expected: Hypothesis) -> bool:
    return (
        run.tokens == expected.tokens
        and run.frames == expected.frames
        and np.allclose(run.probabilities, expected.probabilities, atol=1e-4)
    )


def check(rows: Sequence[Row], expected: Sequence[Frame]) -> None:
    for row, frame in zip(rows, expected, strict=True):
        assert agrees(row.settled, frame.settled)
        assert len(row.hypotheses) == len(frame.hypotheses)
        for found, wanted in zip(row.hypotheses, frame.hypotheses, strict=True):
            assert agrees(found.tokens, wanted)
            assert found.score == pytest.approx(wanted.score, abs=1e-4)


def reference(case: Case, recording: Frames) -> tuple[list[Frame], float]:
    """What the reference makes of a recording, and how near a decision it came."""
    beam = ReferenceBeam(case.network.plain(recording), case.pieces, case.rules)
    return [beam.frame(number) for number in range(len(recording))], beam.closest


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


def as_frame(row: Row) -> Frame:
    """A row as the reference gives it."""
    return Frame(as_hypothesis(0.0, row.settled), [as_hypothesis(h.score, h.tokens) for h in row.hypotheses])


def as_hypothesis(score: float, run: Tokens) -> Hypothesis:
    return Hypothesis(score, run.tokens, run.frames, run.probabilities)


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


def talkative_case(**changes: object) -> Case:
    network = SmallNetwork.random(3, 6, 1, blank_bias=-20.0, gain=1.0)
    recording = np.random.default_rng(0).standard_normal((30, JOINT)).astype(np.float32)
    return Case(network, random_pieces(3, 6), replace(BEAM, **changes), (recording,), 0)


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
