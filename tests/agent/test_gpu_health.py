"""Which GPUs are fit, decided without any."""

from dataclasses import replace

import pytest
from gharial_agent.gpus.health import SLOW_SECONDS, Memory, trouble
from gharial_agent.gpus.reading import Gpu, Reading

GOOD = Gpu("GPU-1", "0000:3b:00.0", rows_pending=False, rows_failed=False, uncorrected=0)
NOW = 1000.0


def found(gpu: Gpu, xid: int | None = None) -> str:
    return trouble(gpu, {} if xid is None else {gpu.uuid: xid}, {}, NOW)


def test_a_gpu_about_which_nothing_is_said_is_fit() -> None:
    assert found(GOOD) == ""
    assert found(Gpu("GPU-1", "0000:3b:00.0")) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fault": "GPU is lost"}, "GPU is lost"),
        ({"recovery": 1}, "asks for a reset of the GPU"),
        ({"recovery": 2}, "asks for a restart of the node"),
        ({"recovery": 99}, "recovery action 99"),
        ({"rows_failed": True}, "replace the GPU"),
        ({"rows_pending": True}, "next reset"),
        ({"rows_pending": None, "rows_failed": None, "pages_pending": True}, "next reset"),
        ({"rows_pending": None, "rows_failed": None, "uncorrected": 2}, "2 memory errors"),
    ],
)
def test_each_trouble_has_a_sentence(changes: dict[str, object], words: str) -> None:
    assert words in found(replace(GOOD, **changes))  # type: ignore[arg-type]


def test_errors_of_memory_that_rows_take_the_place_of_are_no_trouble() -> None:
    assert found(replace(GOOD, uncorrected=3)) == ""


def test_the_worst_trouble_is_told() -> None:
    assert "GPU is lost" in found(replace(GOOD, fault="GPU is lost", rows_pending=True, recovery=1), xid=79)
    assert "fallen off the bus" in found(replace(GOOD, rows_pending=True), xid=79)


def test_what_programs_do_wrong_is_not_held_against_the_gpu() -> None:
    memory = Memory()
    assert not memory.note_xid("GPU-1", 31)
    assert memory.note_xid("GPU-1", 119)
    assert memory.xids == {"GPU-1": 119}


def test_heat_counts_when_it_lasts_and_is_forgiven_when_it_ends() -> None:
    memory, hot = Memory(), replace(GOOD, slowed=True)
    memory.note_heat(Reading((hot,), "580"), NOW)
    assert trouble(hot, {}, memory.slow_since, NOW + 1) == ""
    memory.note_heat(Reading((hot,), "580"), NOW + SLOW_SECONDS)
    assert "too hot" in trouble(hot, {}, memory.slow_since, NOW + SLOW_SECONDS)
    memory.note_heat(Reading((GOOD,), "580"), NOW + SLOW_SECONDS)
    assert memory.slow_since == {}
