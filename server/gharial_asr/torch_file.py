"""Reading a file of torch.save without running code.

torch's own weights-only reader decides what is plain data. It knows pickle protocol 2 only, and tools save newer ones
(CAIMAN-ASR from version 1.14 on: protocol 5), so a newer pickle is first rewritten in protocol 2: same objects, older
instructions. Rewriting runs nothing and imports nothing; what the reader would refuse it still refuses.
"""

import io
import pickle
import pickletools
import re
import shutil
import struct
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

_REMEDY = "copy the file again, or export it again"
_STRINGS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
_BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
_PUTS = {"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"}
_GETS = {"BINGET", "LONG_BINGET", "GET"}
# Numbers that come from numpy, under both of its names for the function that makes them.
_numpy_scalar = np.float64(0).__reduce__()[0]
_SAFE: list[Any] = [
    (_numpy_scalar, "numpy.core.multiarray.scalar"),
    (_numpy_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32)),
]


class TorchFileError(ValueError):
    """A file that is not one of plain tensors. The message says why and the remedy, not the file's name."""


def read_torch_file(path: Path) -> object:
    """What torch.save wrote, tensors on the CPU. Raises TorchFileError, OSError."""
    with path.open("rb") as file:
        start = file.read(4)
        if not start:
            raise TorchFileError(f"the file is empty; {_REMEDY}")
        if start[:2] == b"PK" and not zipfile.is_zipfile(file):
            raise TorchFileError(f"the file is cut short: its zip directory is missing; {_REMEDY}")
        file.seek(0)
        try:
            source = _readable(file) if start[:2] == b"PK" else file
            with torch.serialization.safe_globals(_SAFE), warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Detected pickle protocol")
                return torch.load(source, map_location="cpu", weights_only=True)
        except TorchFileError:
            raise
        except Exception as error:  # a torn or hostile file makes the readers fail in any way they can
            raise TorchFileError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """torch's explanations are advice to switch the check off; say what matters instead."""
    text = str(error) or type(error).__name__
    code = re.search(r"GLOBAL (\S+)|unrecognized function <[^>]*?(\S+)>|whose module (\S+) is blocked", text)
    if code:
        name = next(group for group in code.groups() if group)
        return (
            f"it asks to run code ({name}), which is refused: a checkpoint holds tensors, numbers, texts, lists and "
            f"dictionaries only; export it again with `gharial export`"
        )
    told = re.search(r"WeightsUnpickler error: (.*)", text)
    cause = (told.group(1) if told else text.splitlines()[0])[:160].strip(" .")
    return f"it is no file of plain tensors, or a damaged one ({cause}); {_REMEDY}"


def _readable(file: IO[bytes]) -> IO[bytes]:
    """The archive itself, or a copy in memory whose pickle is of protocol 2. Every record's checksum is checked."""
    with zipfile.ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise TorchFileError(f"its record {damaged} is damaged: the checksum is wrong; {_REMEDY}")
        names = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(names) != 1:
            raise TorchFileError(f"it is a zip file, but not of torch.save: it lacks data.pkl; {_REMEDY}")
        program = archive.read(names[0])
        if program[:1] != pickle.PROTO or program[1] <= 2:
            file.seek(0)
            return file
        copy = io.BytesIO()
        with zipfile.ZipFile(copy, "w") as older:
            for entry in archive.infolist():
                if entry.filename == names[0]:
                    older.writestr(entry.filename, in_protocol_2(program))
                    continue
                with archive.open(entry) as record, older.open(entry.filename, "w", force_zip64=True) as into:
                    shutil.copyfileobj(record, into, 1 << 20)
        copy.seek(0)
        return copy


def in_protocol_2(program: bytes) -> bytes:
    """The same pickle in protocol 2. Raises ValueError where protocol 2 has no such instruction.

    Strings are written out where they are used, never memoised: only so are the two that name a global (protocol 4
    takes them from the stack) always the last two instructions.
    """
    steps: list[tuple[pickletools.OpcodeInfo, Any, int | None]] = list(pickletools.genops(program))
    ends = [position for _, _, position in steps[1:]] + [len(program)]
    written: list[tuple[bytes, str | None]] = []
    strings: dict[int, str] = {}
    memoised = 0
    for (code, argument, start), end in zip(steps, ends, strict=True):
        if code.name == "PROTO":
            written.append((pickle.PROTO + b"\x02", None))
        elif code.name in _STRINGS:
            written.append((_string(argument), argument))
        elif code.name in _BYTES:
            written.append((_bytes(argument), None))
        elif code.name in _PUTS:
            index = memoised if code.name == "MEMOIZE" else int(argument)
            memoised += 1
            if (text := written[-1][1]) is not None:
                strings[index] = text
            else:
                written.append((pickle.LONG_BINPUT + struct.pack("<I", index), None))
        elif code.name in _GETS and int(argument) in strings:
            text = strings[int(argument)]
            written.append((_string(text), text))
        elif code.name == "STACK_GLOBAL":
            (_, module), (_, name) = written.pop(-2), written.pop()
            if module is None or name is None or "\n" in module + name:
                raise ValueError("a global is not named by two strings")
            written.append((pickle.GLOBAL + f"{module}\n{name}\n".encode(), None))
        elif code.name != "FRAME":
            if code.proto > 2:
                raise ValueError(f"protocol 2 has no {code.name}")
            written.append((program[start:end], None))
    return b"".join(instruction for instruction, _ in written)


def _string(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def _bytes(data: bytes) -> bytes:
    """As protocol 2 itself writes bytes: a text of their codes, encoded in Latin-1."""
    text = _string(data.decode("latin-1")) + _string("latin1")
    return pickle.GLOBAL + b"_codecs\nencode\n" + text + pickle.TUPLE2 + pickle.REDUCE
