"""`gharial bench engine --profile` divides a step's processor time among its parts."""

import json
import threading
from itertools import count
from pathlib import Path

import pytest
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_cli.main import main
from gharial_server.bench.profiling import SPOTS
from gharial_server.bench.stopwatch import Spot, Stopwatch
from tiny_models import tiny_checkpoint


class _Work:
    def outer(self) -> str:
        return self.inner() + self.inner()

    def inner(self) -> str:
        return "done"


def test_a_parts_time_is_without_that_of_the_parts_inside_it() -> None:
    ticks = count(step=10)
    watch = Stopwatch(clock=lambda: next(ticks))
    original = _Work.outer
    with watch.around([Spot(_Work, "outer", "calls", "all"), Spot(_Work, "inner", "answers")]):
        assert _Work().outer() == "donedone"
    # The clock is read six times, 10 apart: outer from 0 to 50, inner from 10 to 20 and from 30 to 40.
    assert watch.nanoseconds == {("all", "calls"): 30, ("all", "answers"): 20}
    assert watch.calls == {("all", "calls"): 1, ("all", "answers"): 2}
    assert _Work.outer is original


def test_a_round_that_is_under_way_is_not_counted() -> None:
    watch, work = Stopwatch(), _Work()
    with watch.around([Spot(_Work, "outer", "calls", "all"), Spot(_Work, "inner", "answers", "all")]):
        work.outer()
        watch.reset()
        work.inner()
        for _ in range(3):
            work.outer()
    assert watch.whole[1] == {("all", "calls"): 2, ("all", "answers"): 4}


def test_other_threads_are_not_measured() -> None:
    watch = Stopwatch()
    with watch.around([Spot(_Work, "inner", "answers", "all")]):
        _Work().inner()
        other = threading.Thread(target=_Work().inner)
        other.start()
        other.join()
    assert watch.calls == {("all", "answers"): 1}


def test_a_profile_names_every_part_and_its_shares_are_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), tmp_path / "tiny.gharial")
    originals = [spot.owner.__dict__[spot.name] for spot in SPOTS]
    line = ["bench", "engine", "--arch", str(tmp_path / "tiny.gharial"), "--streams", "4", "--seconds", "0.5"]
    assert main([*line, "--profile", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {(row["area"], row["what"]): row for row in result["rows"]}
    expected = {"engine", "runner", "front end", "encoder", "joint", "prediction", "decoding", "load"}
    assert {area for area, _ in rows} == expected
    # Two inputs through two layers, the first of which multiplies apart; one stacked through two; the joint's share.
    assert rows["encoder", "int8 products"]["calls"] == 9
    assert sum(row["share"] for row in result["rows"]) == pytest.approx(1, abs=0.01)
    assert sum(row["microseconds"] for row in result["rows"]) == pytest.approx(result["microseconds"], rel=0.02)
    assert [spot.owner.__dict__[spot.name] for spot in SPOTS] == originals


def test_a_profile_of_several_threads_is_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "engine", "--profile", "--threads", "2"]) == 1
    assert "give --threads 1" in capsys.readouterr().err
