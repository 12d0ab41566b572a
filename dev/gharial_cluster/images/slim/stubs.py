"""Writes a shared object that has the symbols which other files want from it, and does nothing.

The loader finds every name, with its version. A function returns 100: from the CUDA runtime that means that there is no
GPU, and from every other library of NVIDIA's it is an error, so a call that should not have happened is never taken for
success. A function that returns a text returns one that says so. A variable is zero.
"""

import re
import struct
from collections.abc import Sequence

from . import elf
from .elf import Wanted

# By e_machine, 16 bytes each: "return 100", then "return the address 16 bytes further on".
# x86-64: mov eax, 100; ret / lea rax, [rip + 9]; ret. AArch64: mov w0, 100; ret / adr x0, 16; ret.
CODE = {
    62: bytes.fromhex("b864000000c3") + b"\x90" * 10 + bytes.fromhex("488d0509000000c3") + b"\x90" * 8,
    183: bytes.fromhex("800c8052c0035fd6") + b"\0" * 8 + bytes.fromhex("80000010c0035fd6") + b"\0" * 8,
}
TEXT = b"this image is for CPU cores and holds no library of NVIDIA's\0"
RETURNS_TEXT = re.compile(r"(Error|Status)(String|Name)$|^(nccl|nvrtc)Get(LastError|ErrorString)$")
# No variable that torch uses is larger.
VARIABLE_BYTES = 64
# At least the page size of the two machines, so the two segments never share a page.
PAGE = 0x10000
DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT = 4, 5, 6, 10, 11
DT_VERSYM, DT_VERDEF, DT_VERDEFNUM = 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD
VER_FLG_BASE = 1


def stub(soname: str, machine: int, symbols: Sequence[Wanted]) -> bytes:
    """The file of a library called `soname` for `machine` (e_machine) that has `symbols`.

    Raises ValueError for a machine that is not known here, and for thread-local variables, which a stub cannot be.
    """
    if machine not in CODE:
        raise ValueError(f"{soname}: no stub code for e_machine {machine}")
    if any(symbol.kind == elf.STT_TLS for symbol in symbols):
        raise ValueError(f"{soname}: a thread-local variable is wanted from it")
    strings = _Strings()
    versions = [soname, *sorted({symbol.version for symbol in symbols if symbol.version} - {soname})]
    # Numbers of versions count from 1; a library's own name, as a base, is number 1.
    parts = {
        "code": CODE[machine] + _pad(TEXT),
        "hash": _hash_table([symbol.name for symbol in symbols]),
        "versym": _pad(struct.pack(f"<{len(symbols) + 1}H", 0, *(_number(each, versions) for each in symbols))),
        "verdef": _version_definitions(versions, strings),
        "symbols": b"\0" * elf.SYM.size * (len(symbols) + 1),
    }
    names = [strings.offset(symbol.name) for symbol in symbols]
    tags = [(elf.DT_SONAME, strings.offset(soname)), (DT_STRSZ, len(strings.data)), (DT_SYMENT, elf.SYM.size)]
    parts["strings"] = _pad(bytes(strings.data))

    # A read-only segment with the headers and all parts, then a writable one with the dynamic section and, beyond the
    # end of the file, the variables.
    at, end = {}, elf.EHDR.size + 4 * elf.PHDR.size
    for name, part in parts.items():
        at[name], end = end, end + len(part)
    tags += [(DT_HASH, at["hash"]), (DT_STRTAB, at["strings"]), (DT_SYMTAB, at["symbols"])]
    tags += [(DT_VERSYM, at["versym"]), (DT_VERDEF, at["verdef"]), (DT_VERDEFNUM, len(versions)), (0, 0)]
    dynamic, dynamic_at = b"".join(elf.DYN.pack(*tag) for tag in tags), _up(end, PAGE)
    parts["symbols"], top = _symbol_table(symbols, names, at["code"], dynamic_at + len(dynamic))
    body = _headers(machine, end, dynamic_at, len(dynamic), top) + b"".join(parts.values())
    return body.ljust(dynamic_at, b"\0") + dynamic


def _headers(machine: int, read_only: int, dynamic_at: int, dynamic_size: int, top: int) -> bytes:
    header = elf.EHDR.pack(
        *(b"\x7fELF\x02\x01\x01".ljust(16, b"\0"), 3, machine, 1, 0, elf.EHDR.size, 0, 0),
        *(elf.EHDR.size, elf.PHDR.size, 4, 0, 0, 0),
    )
    segments = [
        (elf.PT_LOAD, 5, 0, 0, 0, read_only, read_only, PAGE),
        (elf.PT_LOAD, 6, dynamic_at, dynamic_at, dynamic_at, dynamic_size, top - dynamic_at, PAGE),
        (elf.PT_DYNAMIC, 6, dynamic_at, dynamic_at, dynamic_at, dynamic_size, dynamic_size, 8),
        (elf.PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 16),
    ]
    return header + b"".join(elf.PHDR.pack(*segment) for segment in segments)


class _Strings:
    """A string table under construction."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self.known: dict[str, int] = {}

    def offset(self, text: str) -> int:
        if text not in self.known:
            self.known[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self.known[text]


def _symbol_table(
    symbols: Sequence[Wanted], names: Sequence[int], code_at: int, variables_at: int
) -> tuple[bytes, int]:
    """The symbol table, and the address behind the last variable."""
    rows, free = [b"\0" * elf.SYM.size], _up(variables_at, VARIABLE_BYTES)
    for symbol, name in zip(symbols, names, strict=True):
        if symbol.kind == elf.STT_OBJECT:
            rows.append(elf.SYM.pack(name, 0x10 | elf.STT_OBJECT, 0, 1, free, VARIABLE_BYTES))
            free += VARIABLE_BYTES
        else:
            address = code_at + 16 if RETURNS_TEXT.search(symbol.name) else code_at
            rows.append(elf.SYM.pack(name, 0x10 | elf.STT_FUNC, 0, 1, address, 16))
    return b"".join(rows), free


def _number(symbol: Wanted, versions: list[str]) -> int:
    return versions.index(symbol.version) + 1 if symbol.version else 1


def _version_definitions(versions: list[str], strings: _Strings) -> bytes:
    """The table of version definitions: one record with its name for each."""
    size, records = elf.VERDEF.size + elf.VERDAUX.size, []
    for number, name in enumerate(versions, start=1):
        flags, following = VER_FLG_BASE if number == 1 else 0, 0 if number == len(versions) else size
        records.append(elf.VERDEF.pack(1, flags, number, 1, _hash(name), elf.VERDEF.size, following))
        records.append(elf.VERDAUX.pack(strings.offset(name), 0))
    return _pad(b"".join(records))


def _hash_table(names: Sequence[str]) -> bytes:
    """The System V hash table over the symbols; symbol 0 is the empty one."""
    buckets, chain = [0] * max(1, len(names) // 2), [0] * (len(names) + 1)
    for index, name in enumerate(names, start=1):
        bucket = _hash(name) % len(buckets)
        chain[index], buckets[bucket] = buckets[bucket], index
    words = [len(buckets), len(chain), *buckets, *chain]
    return _pad(struct.pack(f"<{len(words)}I", *words))


def _hash(name: str) -> int:
    """The System V ABI's hash of a name."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value & 0xFFFFFFFF


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _pad(data: bytes) -> bytes:
    return data.ljust(_up(len(data), 16), b"\0")
