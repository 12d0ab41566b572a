"""Capacity is measured: the batch whose step leaves room in the frame time."""

from itertools import count
from pathlib import Path

import pytest
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.runner import LocalRunner
from gharial_server.engine.backends import BackendSettings
from gharial_server.engine.build import build_engine
from gharial_server.engine.capacity import LARGE, measure_capacity, streams_within
from tiny_models import tiny_checkpoint


@pytest.mark.parametrize(
    ("seconds", "small", "large", "streams"),
    [
        (0.036, (4, 0.008), (24, 0.028), 32),
        (0.036, (4, 0.010), (24, 0.110), 9),
        (0.036, (4, 0.080), (24, 0.480), 1),
        (0.036, (4, 0.001), (24, 0.001), 1024),
    ],
)
def test_capacity_lies_on_the_line_through_two_batches(
    seconds: float, small: tuple[int, float], large: tuple[int, float], streams: int
) -> None:
    assert streams_within(seconds, small, large) == streams


def test_the_fastest_step_counts_and_slots_are_left_closed() -> None:
    runner = LocalRunner(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), LARGE)
    moments = count()
    taken = {step: 0.010 if step < 5 else 0.030 for step in range(10)} | {2: 0.008, 7: 0.028}
    now = 0.0

    def clock() -> float:
        nonlocal now
        moment = next(moments)
        if moment % 2:
            now += taken[moment // 2]
        return now

    assert measure_capacity(runner, 0.06, clock) == 32
    assert set(runner.states.generations) == {0}


def test_an_engine_without_a_given_capacity_finds_one(tmp_path: Path) -> None:
    write_artefact(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), tmp_path / "tiny.gharial")
    engine = build_engine("cpu", BackendSettings(tmp_path / "tiny.gharial"), "general", "v1", "en")
    assert engine.capacity >= 1
    engine.stop()


def test_an_unknown_backend_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no backend 'fpga'; there are card, cpu"):
        build_engine("fpga", BackendSettings(Path("m")), "general", "v1", "en")
