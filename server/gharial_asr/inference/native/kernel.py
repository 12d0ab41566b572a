"""The compiled library and its calls.

Shapes: B rows (streams), K inputs, N outputs, H units of an LSTM layer; P panels of 16 outputs, G groups of 4 inputs.
"""

import ctypes
import functools
import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from gharial_asr.inference.native import packed
from gharial_asr.inference.native.build import library
from gharial_asr.inference.native.packed import GROUP, PackedWeight

log = logging.getLogger(__name__)

FORMS = ("portable", "avx2", "avx512-vnni")
_pointer, _long, _int, _bool = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_bool


class _Matrix(ctypes.Structure):
    _fields_ = [
        *((name, _pointer) for name in ("panels", "order", "pairs", "sums", "scale", "bias")),
        ("inputs", _long),
        ("outputs", _long),
    ]


class Matrix:
    """A packed weight and a bias float32 (N,) as the library reads them, where they lie."""

    def __init__(self, weight: PackedWeight, bias_N: Tensor) -> None:
        self.weight, self._bias_N = weight, bias_N.float().contiguous()
        parts = (weight.panels, weight.order, weight.pairs, weight.sums, weight.scale, self._bias_N)
        self.inputs, self.outputs = weight.inputs, weight.outputs
        self._there = _Matrix(*(part.data_ptr() for part in parts), self.inputs, self.outputs)
        self.reference = ctypes.byref(self._there)


@dataclass(frozen=True, slots=True)
class Levels:
    """Rows of activations as bytes (B, 4 G); a row is its levels times its step (B,). 64 is zero where the step is
    positive, and 0 where it is negative: in rows without numbers below zero, which have twice the levels."""

    levels: Tensor
    steps: Tensor


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        found = ctypes.CDLL(str(library()))
    except OSError as error:
        raise OSError(
            f"the int8 kernel is not built or cannot be loaded ({error}); "
            "run: pip install ziglang && python -m gharial_asr.inference.native.build"
        ) from error
    found.gharial_quantise.argtypes = [
        _int, _long, _pointer, _long, _long, _pointer, _long, _long, _pointer, _pointer,
    ]  # fmt: skip
    found.gharial_product.argtypes = [_int, _long, _pointer, _pointer, _pointer, _long, _bool, _pointer]
    found.gharial_cells.argtypes = [_int, _long, _pointer, _pointer, _pointer, _long, _long]
    found.gharial_pack.argtypes = [_long, _pointer, _long, _long, *[_pointer] * 5]
    found.gharial_unpack.argtypes = [_pointer, _pointer]
    for name in ("quantise", "product", "cells", "pack", "unpack"):
        getattr(found, f"gharial_{name}").restype = None
    return found


def forms() -> tuple[str, ...]:
    """The forms that this processor runs, the fastest last. Raises OSError when the library is not there."""
    return FORMS[: _library().gharial_forms()]


class Kernel:
    """The library in one of its forms, on as many threads as torch has."""

    def __init__(self, form: str) -> None:
        """Raises OSError when the library is not there."""
        self.form = form
        self._number = FORMS.index(form)
        there = _library()
        self._quantise, self._product, self._cells = there.gharial_quantise, there.gharial_product, there.gharial_cells

    def quantise(self, x_BI: Tensor, more_BH: Tensor | None = None) -> Levels:
        """Rows [x, more], each in the levels of its own largest magnitude. Rows of x may lie apart."""
        rows, first = x_BI.shape
        second = 0 if more_BH is None else more_BH.shape[1]
        levels = torch.empty(rows, -(-(first + second) // GROUP) * GROUP, dtype=torch.uint8)
        found = Levels(levels, torch.empty(rows))
        if x_BI.stride(1) != 1:
            x_BI = x_BI.contiguous()
        self._quantise(
            self._number, torch.get_num_threads(), x_BI.data_ptr(), x_BI.stride(0), first,
            None if more_BH is None else more_BH.data_ptr(), second, rows, levels.data_ptr(), found.steps.data_ptr(),
        )  # fmt: skip
        return found

    def product(self, matrix: Matrix, x: Levels, onto_BN: Tensor | None = None) -> Tensor:
        """The product with bias (B, N); or without it, added to contiguous rows in place."""
        rows = len(x.steps)
        y_BN = torch.empty(rows, matrix.outputs) if onto_BN is None else onto_BN
        self._product(
            self._number, torch.get_num_threads(), matrix.reference, x.levels.data_ptr(), x.steps.data_ptr(), rows,
            onto_BN is not None, y_BN.data_ptr(),
        )  # fmt: skip
        return y_BN

    def cells(self, gates_B4H: Tensor, hidden_BH: Tensor, cell_BH: Tensor) -> None:
        """One step of LSTM cells, contiguous states in place. Gates: input, forget, doubled candidate, output."""
        rows, units = hidden_BH.shape
        self._cells(
            self._number, torch.get_num_threads(), gates_B4H.data_ptr(), hidden_BH.data_ptr(), cell_BH.data_ptr(),
            rows, units,
        )  # fmt: skip


def pack(values_NK: Tensor, scale_N: Tensor, threads: int = 1) -> PackedWeight:
    """Arranges an int8 matrix in -127..127. Raises ValueError, MemoryError, OSError."""
    outputs, inputs = values_NK.shape
    weight, values_NK = packed.empty(scale_N, inputs), values_NK.contiguous()
    failed = torch.zeros(len(weight.pairs), dtype=torch.bool)
    into = (weight.panels, weight.order, weight.pairs, weight.sums, failed)
    _library().gharial_pack(threads, values_NK.data_ptr(), outputs, inputs, *(each.data_ptr() for each in into))
    if failed.any():
        raise MemoryError("no memory to arrange a matrix for the int8 kernel")
    return weight


def unpack(weight: PackedWeight) -> Tensor:
    """The plain matrix int8 (N, K)."""
    values_NK = torch.empty(weight.outputs, weight.inputs, dtype=torch.int8)
    _library().gharial_unpack(Matrix(weight, torch.zeros(0)).reference, values_NK.data_ptr())
    return values_NK


@functools.cache
def kernel() -> Kernel:
    """The fastest form that computes the same bits as the portable one. Raises OSError without the library."""
    portable, *others = (Kernel(form) for form in forms())
    expected = trial(portable)
    for each in reversed(others):
        if all(torch.equal(*pair) for pair in zip(trial(each), expected, strict=True)):
            break
        log.warning("int8 kernel: form %s computes wrongly on this processor and is not used", each.form)
    else:
        each = portable
    log.info("int8 kernel: form %s", each.form)
    return each


def trial(form: Kernel) -> tuple[Tensor, ...]:
    """What a form makes of a small case: gates, hidden and cell state of 9 rows, the largest sums among them."""
    chance = torch.Generator().manual_seed(1)
    values_NK = torch.randint(-127, 128, (56, 99), generator=chance, dtype=torch.int8)
    values_NK[:16] = 127
    x_BK = torch.randn(9, 99, generator=chance)
    x_BK[0] = 1
    scale_N = torch.rand(56, generator=chance) / 500
    matrix = Matrix(pack(values_NK, scale_N), torch.randn(56, generator=chance))
    gates_BN = form.product(matrix, form.quantise(x_BK[:, :60], x_BK[:, 60:].contiguous()))
    hidden_BH, cell_BH = torch.zeros(9, 14), torch.randn(9, 14, generator=chance)
    form.cells(form.product(matrix, form.quantise(x_BK), gates_BN.clone()), hidden_BH, cell_BH)
    return gates_BN, hidden_BH, cell_BH
