"""The accelerator's runner, on this processor: the same kernels, called one by one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from beam_cases import as_frame, check
from gharial_asr.audio import read_audio
from gharial_asr.compilation import compile_checkpoint, load_model
from gharial_asr.config import RnntConfig
from gharial_asr.decoding.settings import BEAM
from gharial_asr.device.products import products
from gharial_asr.device.runner import DeviceModel, DeviceRunner, buckets
from gharial_asr.emissions import Row, Tokens
from gharial_asr.inference.dense import dense, quantise_weight
from gharial_asr.offline import transcribe
from gharial_asr.precision import Precision
from gharial_asr.runner import Batch, LocalRunner, Runner
from gharial_asr.state import StaleSlotError
from numpy.typing import NDArray
from side_by_side import rows_of
from tiny_models import babble, tiny_checkpoint, tiny_config

STEP = 960
HERE = torch.device("cpu")
STARTER = Path(__file__).parents[2] / "models/starter"


def on_device(
    precision: Precision, slots: int, blank_bias: float = 18.0, seed: int = 5, config: RnntConfig | None = None
) -> DeviceRunner:
    compiled: Precision = "float32" if precision == "float32" else "int8"
    model = compile_checkpoint(tiny_checkpoint(seed, config, blank_bias), compiled)
    return DeviceModel(model, HERE, precision).with_slots(slots)


def decode(runner: Runner, recordings: dict[int, NDArray[np.float32]]) -> dict[int, Tokens]:
    """What is settled of each recording, all of them streamed side by side."""
    found = {slot: Tokens() for slot in recordings}
    for slot, row in rows_of(runner, recordings):
        found[slot] += row.settled
    return found


def assert_same(found: dict[int, Tokens], expected: dict[int, Tokens]) -> None:
    for slot, tokens in expected.items():
        assert (found[slot].tokens, found[slot].frames) == (tokens.tokens, tokens.frames)
        assert found[slot].probabilities == pytest.approx(tokens.probabilities, abs=1e-5)


@pytest.mark.parametrize(("seed", "bias"), [(1, 14.0), (3, 14.0), (5, 14.0), (5, 8.0)])
@pytest.mark.parametrize("prediction_layers", [1, 2])
def test_float32_says_what_the_processor_says(seed: int, bias: float, prediction_layers: int) -> None:
    config = tiny_config(prediction_layers=prediction_layers)
    recordings = {slot: babble(0.6 + slot % 3 / 8, seed=slot) for slot in range(11)}
    reference = LocalRunner(compile_checkpoint(tiny_checkpoint(seed, config, bias), "float32"), slots=12)
    expected = decode(reference, recordings)
    assert_same(decode(on_device("float32", 12, bias, seed, config), recordings), expected)
    assert sum(len(tokens.tokens) for tokens in expected.values()) > 50


def test_int8_says_what_the_processor_says_in_int8() -> None:
    recordings = {slot: babble(1 + slot % 3 / 2, seed=slot) for slot in range(11)}
    expected = decode(LocalRunner(compile_checkpoint(tiny_checkpoint(), "int8"), slots=40), recordings)
    assert_same(decode(on_device("int8", 40), recordings), expected)


def test_more_rows_at_once_than_a_round_has_places_for_and_thirty_tokens_in_every_frame() -> None:
    recordings = {slot: babble(0.13, seed=slot) for slot in range(150)}
    checkpoint = tiny_checkpoint(blank_bias=-100.0)
    expected = decode(LocalRunner(compile_checkpoint(checkpoint, "float32"), slots=150), recordings)
    assert all(len(tokens.tokens) == 60 for tokens in expected.values())
    assert_same(decode(on_device("float32", 150, -100.0), recordings), expected)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_low_precision_stays_close_to_float32(precision: Precision) -> None:
    weight, x_BK = torch.randn(70, 90), torch.randn(5, 90)
    bias = torch.randn(70)
    expected = torch.nn.functional.linear(x_BK, weight, bias)
    for given in (weight, quantise_weight(weight)):
        error = (products(precision)(given, bias)(x_BK) - expected).abs()
        assert error.mean() < 0.01 * expected.abs().mean() * (3 if precision == "int8" else 1)


def test_bf16_loses_nothing_of_an_int8_weight() -> None:
    weight, x_BK = quantise_weight(torch.randn(70, 90)), torch.randint(-128, 128, (5, 90)).float()
    exact = torch.nn.functional.linear(x_BK.double(), weight.values.double() * weight.scale.double()[:, None])
    found = products("bf16")(weight, torch.zeros(70))(x_BK)
    assert (found - exact).abs().max() < 1e-5 * exact.abs().max()


@pytest.mark.parametrize("rows", [1, 8, 40])
@pytest.mark.parametrize(("outputs", "inputs"), [(48, 64), (45, 90)])
def test_int8_products_are_the_processors(rows: int, outputs: int, inputs: int) -> None:
    weight, bias, x_BK = quantise_weight(torch.randn(outputs, inputs)), torch.randn(outputs), torch.randn(rows, inputs)
    assert torch.allclose(products("int8")(weight, bias)(x_BK), dense(weight, bias)(x_BK), rtol=1e-6, atol=1e-6)


def test_a_reused_slot_never_sees_its_former_stream() -> None:
    runner = on_device("float32", 2)
    decode(runner, {1: babble(2, seed=7)})
    again = decode(runner, {1: babble(2, seed=8)})
    assert again == decode(on_device("float32", 2), {1: babble(2, seed=8)})


@pytest.mark.parametrize(
    ("slots", "generations", "message"),
    [
        ([0], [5], "slot 0 is not open for generation 5"),
        ([2], [1], "slot 2 is not open"),
        ([-1], [1], "slot -1 is not open"),
        ([1], [0], "slot 1 is not open"),
        ([0, 0], [6, 6], "one frame of a slot"),
    ],
)
def test_a_step_for_another_generation_or_twice_for_a_slot_is_refused(
    slots: list[int], generations: list[int], message: str
) -> None:
    runner = on_device("float32", 2)
    runner.open(0, generation=6)
    samples = np.zeros((len(slots), STEP), np.float32)
    with pytest.raises(StaleSlotError, match=message):
        runner.step(Batch(np.array(slots, np.int32), np.array(generations, np.uint32), samples))


@pytest.mark.parametrize(
    ("slots", "sizes"),
    [(1, (1,)), (8, (1, 8)), (20, (1, 8, 20)), (100, (1, 8, 32, 64, 100)), (128, (1, 8, 32, 64, 128))],
)
def test_batch_sizes_end_with_all_slots(slots: int, sizes: tuple[int, ...]) -> None:
    assert buckets(slots) == sizes


def rows_by_slot(runner: Runner, recordings: dict[int, NDArray[np.float32]]) -> dict[int, list[Row]]:
    rows: dict[int, list[Row]] = {slot: [] for slot in recordings}
    for slot, row in rows_of(runner, recordings):
        rows[slot].append(row)
    return rows


@pytest.mark.parametrize("slots", [3, 40])
def test_beam_search_has_the_processors_hypotheses_in_every_frame(slots: int) -> None:
    unsure = replace(BEAM, score_threshold=2.0, seconds_open=0.3)
    recordings = {slot: babble(0.5 + slot % 3 / 4, seed=slot) for slot in range(3)}
    model = compile_checkpoint(tiny_checkpoint(blank_bias=0.0), "int8")
    expected = rows_by_slot(LocalRunner(model, slots, unsure), recordings)
    runner = DeviceModel(model, HERE, "int8", unsure).with_slots(slots)
    for slot, rows in rows_by_slot(runner, recordings).items():
        check(rows, [as_frame(row) for row in expected[slot]])
    assert max(len(row.hypotheses) for rows in expected.values() for row in rows) > 1
    assert sum(len(row.settled.tokens) for rows in expected.values() for row in rows) > 10
    again = rows_by_slot(runner, {0: recordings[1]})
    check(again[0], [as_frame(row) for row in expected[1]])


def test_beam_search_hears_real_digits_as_the_processor_does() -> None:
    model = load_model(STARTER / "starter.gharial", "float32")
    recordings = [read_audio(STARTER / f"samples/digits-jackson-00{number}.flac") for number in (0, 1)]
    expected = dict(transcribe(LocalRunner(model, 2, BEAM), model, recordings))
    for number, found in transcribe(DeviceModel(model, HERE, "float32", BEAM).with_slots(2), model, recordings):
        assert found.tokens
        assert (found.tokens, found.frames) == (expected[number].tokens, expected[number].frames)
        assert len(found.nbest) == len(expected[number].nbest)
        assert found.score == pytest.approx(expected[number].score, abs=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_real_digits_have_the_same_tokens_and_frames_as_in_float32_on_the_processor(precision: Precision) -> None:
    model = load_model(STARTER / "starter.gharial", "float32")
    quantised = load_model(STARTER / "starter.gharial", "int8")
    recordings = [read_audio(STARTER / f"samples/digits-jackson-00{number}.flac") for number in (0, 1, 4)]
    expected = dict(transcribe(LocalRunner(model, 3), model, recordings))
    found = dict(transcribe(DeviceModel(quantised, HERE, precision).with_slots(3), model, recordings))
    for number, transcription in expected.items():
        assert transcription.tokens
        assert found[number].tokens == transcription.tokens
        assert found[number].frames == transcription.frames
        assert found[number].confidence == pytest.approx(transcription.confidence, abs=0.01)
