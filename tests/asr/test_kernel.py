"""The native int8 kernel: every form that this processor runs gives the same bits, and the sums are exact."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from gharial_asr.inference.dense import quantise_weight
from gharial_asr.inference.native import kernel as native
from gharial_asr.inference.native.build import build, library
from gharial_asr.inference.native.kernel import Kernel, Matrix, forms, kernel, pack, trial, unpack
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

PORTABLE, *OTHERS = (Kernel(form) for form in forms())


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_weight(seed: int, outputs: int, inputs: int, kind: str) -> torch.Tensor:
    """int8 (outputs, inputs): of a normal distribution as trained ones, or all of the largest magnitude."""
    if kind == "normal":
        return quantise_weight(torch.randn(outputs, inputs, generator=generator(seed))).values
    if kind == "any":
        return torch.randint(-127, 128, (outputs, inputs), generator=generator(seed), dtype=torch.int8)
    return (torch.randint(0, 2, (outputs, inputs), generator=generator(seed)) * 254 - 127).to(torch.int8)


@given(
    outputs=st.integers(1, 70), first=st.integers(1, 150), second=st.integers(0, 70), rows=st.integers(1, 130),
    seed=st.integers(0, 999), kind=st.sampled_from(["normal", "any", "largest"]),
    loud=st.sampled_from([0.0, 1e-30, 1.0, 1e30]),
)  # fmt: skip
@examples(max_examples=150, deadline=None)
def test_every_form_gives_the_bits_of_the_portable_one_and_exact_sums(
    outputs: int, first: int, second: int, rows: int, seed: int, kind: str, loud: float
) -> None:
    chance = generator(seed)
    values_NK = random_weight(seed, outputs, first + second, kind)
    scale_N, bias_N = torch.rand(outputs, generator=chance) / 1000, torch.randn(outputs, generator=chance)
    matrix = Matrix(pack(values_NK, scale_N), bias_N)
    x_BI, more_BH = torch.randn(rows, first, generator=chance) * loud, torch.randn(rows, second, generator=chance)
    rectified = torch.rand(rows, 1, generator=chance) < 0.5
    if rows > 1:
        x_BI[0], more_BH[0] = 1, -1
        x_BI[1:], more_BH[1:] = (torch.where(rectified[1:], part[1:].relu(), part[1:]) for part in (x_BI, more_BH))
    levels = PORTABLE.quantise(x_BI, more_BH if second else None)
    expected_BN = PORTABLE.product(matrix, levels)
    whole_BK = torch.cat((x_BI, more_BH), 1)
    positive_B1 = (whole_BK >= 0).all(1, keepdim=True)
    step_B1 = whole_BK.abs().amax(1, keepdim=True).clamp(min=1e-12) / torch.where(positive_B1, 127, 63)
    assert torch.equal(levels.steps, torch.where(positive_B1, -step_B1, step_B1)[:, 0])
    levels_BK = (whole_BK / step_B1).round()
    zero_B1 = torch.where(positive_B1, 0, 64)
    assert torch.equal(levels.levels[:, : first + second], (levels_BK + zero_B1).to(torch.uint8))
    sums_BN = (levels_BK.long() @ values_NK.long().T).float()
    exact_BN = bias_N + (sums_BN * scale_N).double() * step_B1.double()
    assert torch.equal(expected_BN, exact_BN.float())
    for form in OTHERS:
        found = form.quantise(x_BI, more_BH if second else None)
        assert torch.equal(found.levels, levels.levels) and torch.equal(found.steps, levels.steps)
        assert torch.equal(form.product(matrix, found), expected_BN)
        twice_BN = form.product(matrix, found, expected_BN.clone())
        assert torch.equal(twice_BN, PORTABLE.product(matrix, levels, expected_BN.clone()))


@given(rows=st.integers(1, 40), units=st.integers(1, 100), seed=st.integers(0, 999), size=st.sampled_from([1, 30, 1e4]))
@examples(max_examples=60, deadline=None)
def test_cells_have_the_same_bits_in_every_form_and_place_and_are_close_to_float64(
    rows: int, units: int, seed: int, size: float
) -> None:
    chance = generator(seed)
    gates_B4H = torch.randn(rows, 4 * units, generator=chance) * size
    hidden_BH, cell_BH = torch.zeros(rows, units), torch.randn(rows, units, generator=chance)
    before_BH = cell_BH.double()
    one = hidden_BH[-1:].clone(), cell_BH[-1:].clone()
    others = [(form, hidden_BH.clone(), cell_BH.clone()) for form in OTHERS]
    PORTABLE.cells(gates_B4H, hidden_BH, cell_BH)
    PORTABLE.cells(gates_B4H[-1:], *one)
    assert torch.equal(one[0][0], hidden_BH[-1]) and torch.equal(one[1][0], cell_BH[-1])
    for form, *states in others:
        form.cells(gates_B4H, *states)
        assert torch.equal(states[0], hidden_BH) and torch.equal(states[1], cell_BH)
    in_BH, forget_BH, twice_BH, out_BH = gates_B4H.double().chunk(4, 1)
    exact_BH = before_BH * forget_BH.sigmoid() + in_BH.sigmoid() * (twice_BH / 2).tanh()
    assert (cell_BH - exact_BH).abs().max() < 6e-7
    assert (hidden_BH - exact_BH.tanh() * out_BH.sigmoid()).abs().max() < 6e-7


def test_the_sigmoid_is_within_a_millionth_of_itself_wherever_float32_has_it() -> None:
    """A cell with candidate 1 and output gate x: hidden is tanh(1) sigmoid(x)."""
    x_H = torch.cat((torch.linspace(-86, 86, 200_000), torch.tensor([-1e30, 1e30, 0.0])))
    for form in (PORTABLE, *OTHERS):
        large = torch.full_like(x_H, 100.0)
        hidden_BH, cell_BH = torch.zeros(1, len(x_H)), torch.zeros(1, len(x_H))
        form.cells(torch.cat((large, large, large, x_H))[None], hidden_BH, cell_BH)
        exact_H = x_H.double().clamp(-87, 87).sigmoid() * torch.ones(1, dtype=torch.float64).tanh()
        assert ((hidden_BH[0] - exact_H) / exact_H).abs().max() < 1e-6


@given(outputs=st.integers(1, 50), inputs=st.integers(1, 200), kind=st.sampled_from(["normal", "any", "largest"]))
@examples(max_examples=50, deadline=None)
def test_unpacking_gives_the_rows_back_however_many_threads_packed(outputs: int, inputs: int, kind: str) -> None:
    values_NK = random_weight(outputs, outputs, inputs, kind)
    packed, by_three = (pack(values_NK, torch.ones(outputs), threads) for threads in (1, 3))
    assert torch.equal(unpack(packed), values_NK)
    assert torch.equal(packed.panels, by_three.panels) and torch.equal(packed.order, by_three.order)
    assert packed.panels.data_ptr() % 64 == 0


def test_more_inputs_than_32_bits_can_sum_are_refused() -> None:
    with pytest.raises(ValueError, match="131073 inputs"):
        pack(torch.zeros(1, 131073, dtype=torch.int8), torch.ones(1))


def test_rows_that_lie_apart_are_read_where_they_lie() -> None:
    x_BSI = torch.randn(5, 2, 33)
    for form in (PORTABLE, *OTHERS):
        assert torch.equal(form.quantise(x_BSI[:, 1]).levels, form.quantise(x_BSI[:, 1].contiguous()).levels)


def test_a_row_with_infinity_or_nan_spoils_itself_alone() -> None:
    matrix = Matrix(pack(random_weight(0, 40, 64, "any"), torch.ones(40)), torch.zeros(40))
    x_BK = torch.randn(9, 64)
    expected_BN = PORTABLE.product(matrix, PORTABLE.quantise(x_BK))
    x_BK[2, 5], x_BK[6, 7] = float("inf"), float("nan")
    for form in (PORTABLE, *OTHERS):
        y_BN = form.product(matrix, form.quantise(x_BK))
        assert not y_BN[[2, 6]].isfinite().any()
        y_BN[[2, 6]] = expected_BN[[2, 6]]
        assert torch.equal(y_BN, expected_BN)


def test_threads_change_no_bit_and_share_the_work() -> None:
    """Sizes at which every call wakes three threads, from two callers at a time."""
    form = kernel()
    matrix = Matrix(pack(random_weight(0, 4096, 1024, "normal"), torch.rand(4096)), torch.randn(4096))
    x_BK = torch.randn(40, 1024)
    states = torch.zeros(40, 1024), torch.randn(40, 1024)

    def step() -> tuple[torch.Tensor, ...]:
        found = states[0].clone(), states[1].clone()
        gates = form.product(matrix, form.quantise(x_BK, None))
        form.cells(gates, *found)
        return (gates, *found)

    expected, before = step(), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(lambda _: step(), range(60)):
                assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    finally:
        torch.set_num_threads(before)
    assert len(list(Path("/proc/self/task").iterdir())) >= 3


FORK = """
import os, torch
from gharial_asr.inference.native.kernel import Matrix, kernel, pack
torch.set_num_threads(2)
matrix = Matrix(pack(torch.ones(4096, 1024, dtype=torch.int8), torch.ones(4096)), torch.zeros(4096))
x = torch.ones(8, 1024)
before = kernel().product(matrix, kernel().quantise(x))
child = os.fork()
again = kernel().product(matrix, kernel().quantise(x))
assert torch.equal(before, again)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_process_makes_threads_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


def test_the_library_is_named_after_its_sources_and_is_compiled_once() -> None:
    assert build() == library()
    assert library().is_file()


def test_a_form_that_computes_wrongly_is_passed_over_with_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(form: Kernel) -> tuple[torch.Tensor, ...]:
        return trial(form) if form.form == "portable" else (torch.zeros(1),) * 3

    monkeypatch.setattr(native, "trial", broken)
    kernel.cache_clear()
    try:
        assert kernel().form == "portable"
        assert [form.form in caplog.text for form in OTHERS] == [True] * len(OTHERS)
    finally:
        kernel.cache_clear()


def test_without_the_library_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: Path("/nowhere/kernel.so"))
    native._library.cache_clear()
    try:
        with pytest.raises(OSError, match=r"python -m gharial_asr\.inference\.native\.build"):
            forms()
    finally:
        native._library.cache_clear()
