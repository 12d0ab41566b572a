"""The precisions of an accelerator's products."""

from typing import Literal, get_args

DevicePrecision = Literal["bf16", "int8", "float32"]
DEVICE_PRECISIONS: tuple[DevicePrecision, ...] = get_args(DevicePrecision)
