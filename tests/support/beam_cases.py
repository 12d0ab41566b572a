"""Random models, settings and recordings for beam search, and what decoders make of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from gharial_asr.decoding.beam.search import BeamDecoder, LanguageModel
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.decoder import Decoder
from gharial_asr.decoding.settings import BEAM, DecoderSettings
from gharial_asr.emissions import Row, Tokens
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference_beam import Frame, Hypothesis, ReferenceBeam, Rules
from small_networks import JOINT, SmallNetwork, random_pieces

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


def decoder_of(case: Case, judge: LanguageModel | None = None) -> BeamDecoder:
    return BeamDecoder(case.network.engine(), SLOTS, TextHash(case.pieces), case.settings, FRAME, judge)


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


def as_frame(row: Row) -> Frame:
    """A row as the reference gives it."""
    return Frame(as_hypothesis(0.0, row.settled), [as_hypothesis(h.score, h.tokens) for h in row.hypotheses])


def as_hypothesis(score: float, run: Tokens) -> Hypothesis:
    return Hypothesis(score, run.tokens, run.frames, run.probabilities)


def talkative_case(**changes: object) -> Case:
    network = SmallNetwork.random(3, 6, 1, blank_bias=-20.0, gain=1.0)
    recording = np.random.default_rng(0).standard_normal((30, JOINT)).astype(np.float32)
    return Case(network, random_pieces(3, 6), replace(BEAM, **changes), (recording,), 0)
