"""The precisions of the network's products."""

from typing import Literal, get_args

Precision = Literal["float32", "int8", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
