"""Capacity is measured: the batch whose step leaves room in the frame time."""

from pathlib import Path

import pytest
import torch
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.emissions import Emissions
from gharial_asr.runner import Batch, LocalRunner
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


class Machine(LocalRunner):
    """A real runner on a simulated machine: a step of B streams needs 4 + B milliseconds of a core, which a neighbour
    may want too. Turns on the core last 3 milliseconds, whether or not a step is over."""

    now = 0.0
    neighbours = 0

    def step(self, batch: Batch) -> Emissions:
        needed = 0.004 + 0.001 * len(batch.slots)
        while needed > 1e-9:
            left = 0.003 - self.now % (0.003 * (1 + self.neighbours))
            if left <= 1e-9:
                self.now += -self.now % (0.003 * (1 + self.neighbours)) + 1e-12
                continue
            self.now += min(needed, left)
            needed -= min(needed, left)
        return super().step(batch)


@pytest.mark.parametrize(
    ("neighbours", "streams"),
    [(0, 32), (1, 14), (2, 8)],
)
def test_a_neighbour_lowers_the_capacity_by_what_it_takes(neighbours: int, streams: int) -> None:
    machine = Machine(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), LARGE)
    machine.neighbours = neighbours
    assert measure_capacity(machine, 0.06, lambda: machine.now) == pytest.approx(streams, abs=1)
    assert set(machine.states.generations) == {0}


def test_two_threads_are_used_where_two_are_given(tmp_path: Path) -> None:
    write_artefact(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), tmp_path / "tiny.gharial")
    before = torch.get_num_threads()
    try:
        engine = build_engine("cpu", BackendSettings(tmp_path / "tiny.gharial", threads=2), "general", "v1", "en")
        assert torch.get_num_threads() == 2
        assert engine.capacity >= 1
        engine.stop()
    finally:
        torch.set_num_threads(before)


def test_an_engine_without_a_given_capacity_finds_one(tmp_path: Path) -> None:
    write_artefact(compile_checkpoint(tiny_checkpoint(blank_bias=60.0), "int8"), tmp_path / "tiny.gharial")
    engine = build_engine("cpu", BackendSettings(tmp_path / "tiny.gharial"), "general", "v1", "en")
    assert engine.capacity >= 1
    engine.stop()


def test_an_unknown_backend_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no backend 'fpga'; there are card, cpu, cuda"):
        build_engine("fpga", BackendSettings(Path("m")), "general", "v1", "en")
