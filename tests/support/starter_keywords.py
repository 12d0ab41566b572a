"""The starter model's sample in which "six" narrowly loses, by streams with keywords of their own."""

from pathlib import Path

import numpy as np
from gharial_asr.audio import read_audio
from gharial_asr.emissions import NO_TOKENS, Tokens
from gharial_asr.keywords import Keywords
from gharial_asr.runner import Batch, Runner

STARTER = Path(__file__).parents[2] / "models/starter"
SAMPLE = STARTER / "samples/digits-jackson-001.flac"
SIX: Keywords = (("six", 0.5),)
STEP = 960


def decode(runner: Runner, keywords: list[Keywords]) -> list[Tokens]:
    """The sample by as many streams in one batch, each with keywords of its own."""
    samples = read_audio(SAMPLE)
    slots = np.arange(len(keywords), dtype=np.int32)
    for slot, own in enumerate(keywords):
        runner.open(slot, 1, own)
    found = [NO_TOKENS] * len(keywords)
    for at in range(0, len(samples) - STEP, STEP):
        frames = np.tile(samples[at : at + STEP], (len(keywords), 1))
        rows = runner.step(Batch(slots, np.ones(len(keywords), np.uint32), frames)).rows()
        found = [tokens + row.settled for tokens, row in zip(found, rows, strict=True)]
    return [
        tokens + (row.hypotheses[0].tokens if row.hypotheses else NO_TOKENS)
        for tokens, row in zip(found, rows, strict=True)
    ]
