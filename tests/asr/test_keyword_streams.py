"""Keywords of single streams in a shared batch, on the starter model."""

import json
from pathlib import Path

import pytest
from gharial_asr.building import build_runner
from gharial_asr.compilation import CompiledModel, load_model
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.emissions import Tokens
from gharial_asr.recognition import Recognition
from gharial_asr.resets import ResetSettings
from gharial_cli.main import main
from starter_keywords import SAMPLE, SIX, STARTER, decode


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    return load_model(STARTER / "starter.gharial", "int8")


def text(model: CompiledModel, tokens: Tokens) -> list[str]:
    return "".join(model.pieces[token] for token in tokens.tokens).split()


def test_a_word_that_lost_narrowly_wins_with_a_boost_and_nothing_changes_for_the_neighbours(
    model: CompiledModel,
) -> None:
    plain, boosted, other = decode(build_runner(model, 3), [(), SIX, ()])
    (alone,) = decode(build_runner(model, 1), [()])
    assert plain == other == alone
    assert "six" not in text(model, plain)
    assert text(model, boosted).count("six") == 1
    assert all(0 < probability <= 1 for probability in boosted.probabilities)


def test_beam_search_boosts_too_and_leaves_the_neighbours_alone(model: CompiledModel) -> None:
    beam = Recognition(decoder=DecoderSettings(decoder="beam"))
    plain, boosted, other = decode(build_runner(model, 3, beam), [(), (("six", 1.0), ("nine zero", 0.5)), ()])
    (alone,) = decode(build_runner(model, 1, beam), [()])
    assert plain.tokens == other.tokens == alone.tokens
    assert text(model, boosted).count("six") > text(model, plain).count("six")


def test_a_word_that_is_not_wanted_loses(model: CompiledModel) -> None:
    plain, without = decode(build_runner(model, 2), [(), (("zero", -2.0),)])
    assert "zero" in text(model, plain)
    assert "zero" not in text(model, without)


def test_a_slot_forgets_the_keywords_of_its_former_stream(model: CompiledModel) -> None:
    runner = build_runner(model, 1)
    decode(runner, [SIX])
    runner.free(0)
    assert decode(runner, [()]) == decode(build_runner(model, 1), [()])


def test_keywords_go_on_in_the_next_lane(model: CompiledModel) -> None:
    runner = build_runner(model, 1, Recognition(ResetSettings(2.4, 1.2)))
    assert "six" in text(model, decode(runner, [SIX])[0])


def test_the_command_reads_keywords_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keywords.json").write_text(json.dumps({"keywords": dict(SIX)}))
    command = ["transcribe", str(SAMPLE), "--checkpoint", str(STARTER / "starter.gharial")]
    assert main([*command, "--keywords", str(tmp_path / "keywords.json")]) == 0
    assert "six" in capsys.readouterr().out.split()
