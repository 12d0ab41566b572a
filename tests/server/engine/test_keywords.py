"""Keywords of a stream that begins, beside streams that are under way."""

import random
from pathlib import Path

import numpy as np
from gharial_asr.compilation import CompiledModel, load_model
from gharial_asr.emissions import Emissions
from gharial_asr.keywords import Keywords, checked
from gharial_asr.runner import Batch, LocalRunner
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import ModelInfo
from listener import Listener

STARTER = Path(__file__).resolve().parents[3] / "models" / "starter" / "starter.gharial"
SECONDS = 6.0


class NotingRunner(LocalRunner):
    """A real runner that notes what it did, in order."""

    def __init__(self, model: CompiledModel, slots: int) -> None:
        super().__init__(model, slots)
        self.done: list[str] = []

    def open(self, slot: int, generation: int, keywords: Keywords = ()) -> None:
        super().open(slot, generation, keywords)
        self.done.append("keywords" if keywords else "open")

    def step(self, batch: Batch) -> Emissions:
        self.done.append("step")
        return super().step(batch)


def many_phrases() -> Keywords:
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=7)) for _ in range(500)]
    return checked({f"{word} {word[::-1]}": 0.5 for word in words})


def test_a_stream_with_five_hundred_keywords_is_prepared_between_the_others_steps_and_loses_nothing() -> None:
    model, listener = load_model(STARTER, "int8"), Listener()
    runner = NotingRunner(model, slots=2)
    engine = BatchingEngine(runner, model.pieces, ModelInfo("general", "v1", "en", "", "cpu"))
    audio = np.zeros(round(SECONDS * 16000), np.int16)
    plain = engine.open(listener.sink)
    plain.push(audio)
    boosted = engine.open(listener.sink, many_phrases())
    boosted.push(audio)
    for stream in (plain, boosted):
        stream.finish()
    ends = [listener.all(stream)[-1].end for stream in (plain, boosted)]
    engine.stop()
    assert ends == [SECONDS, SECONDS]
    assert runner.done[: runner.done.index("keywords")].count("step") > 5
