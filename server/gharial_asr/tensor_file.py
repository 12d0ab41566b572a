"""Writes tensors as a safetensors file whose largest ones begin at multiples of 64 bytes.

The format: eight bytes of length, a JSON header, then every tensor without a gap. safetensors' own writer aligns
to 8 bytes and takes an order of its own.
"""

import json
import os
from pathlib import Path

import torch
from torch import Tensor

ALIGNMENT = 64
DTYPES = {torch.int8: "I8", torch.uint8: "U8", torch.uint16: "U16", torch.int32: "I32", torch.float32: "F32"}


def save_aligned(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Tensors whose size is a multiple of 64 bytes come first, so that each begins at such a multiple; then those of
    four, two and one byte per element. The same input gives the same bytes. Raises OSError.
    """
    names = sorted(tensors, key=lambda name: (tensors[name].nbytes % ALIGNMENT > 0, -tensors[name].itemsize, name))
    header: dict[str, object] = {"__metadata__": metadata}
    at = 0
    for name in names:
        tensor = tensors[name]
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    told = json.dumps(header).encode()
    told += b" " * (-(len(told) + 8) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little") + told)
        for name in names:
            tensors[name].contiguous().numpy().tofile(file)
        # On disk before it gets its name; its pages in memory are clean then, and count as nobody's own.
        os.fsync(file.fileno())
