"""Writes a shared object that exports the same symbols as another one and does nothing.

The loader finds every name, with its version, that dependent libraries ask for. A function returns 1, which is an
error in every NVIDIA library's list of statuses, so a call that should not have happened is reported and not
mistaken for success. A variable is zero.
"""

import struct

from . import elf
from .elf import Library, Symbol

# "return 1" by e_machine: x86-64 (mov eax, 1; ret) and AArch64 (mov w0, #1; ret).
RETURN_ONE = {
    62: bytes.fromhex("b801000000c3"),
    183: bytes.fromhex("20008052c0035fd6"),
}
# Larger than any page size of the two machines, so the two segments never share a page.
PAGE = 0x10000
DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT = 4, 5, 6, 10, 11
DT_VERSYM, DT_VERDEF, DT_VERDEFNUM = 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD


def stub(library: Library) -> bytes:
    """The stub of a library, as the bytes of its file.

    Raises ValueError when the library exports thread-local variables, which a stub cannot stand for, or is of a
    machine that is not known here.
    """
    if library.machine not in RETURN_ONE:
        raise ValueError(f"{library.soname}: no stub code for e_machine {library.machine}")
    if any(symbol.kind == elf.STT_TLS for symbol in library.symbols):
        raise ValueError(f"{library.soname} exports thread-local variables")
    strings = _Strings()
    soname = strings.offset(library.soname)
    names = [strings.offset(symbol.name) for symbol in library.symbols]
    verdef = _version_definitions(library, strings)

    # Read-only segment: headers, tables, code.
    code = RETURN_ONE[library.machine]
    parts = {
        "hash": _hash_table(library.symbols),
        "versym": _pad(b"\0\0" + b"".join(struct.pack("<H", symbol.version) for symbol in library.symbols)),
        "verdef": _pad(verdef),
        "strings": _pad(bytes(strings.data)),
        "code": _pad(code),
        "symbols": b"\0" * elf.SYM.size * (len(library.symbols) + 1),
    }
    at, position = {}, elf.EHDR.size + 4 * elf.PHDR.size
    for name, part in parts.items():
        at[name] = position
        position += len(part)
    read_only = position

    # Writable segment: the dynamic section, then the variables, which take no room in the file.
    dynamic_at = _up(read_only)
    tags = [
        (elf.DT_SONAME, soname),
        (DT_HASH, at["hash"]),
        (DT_STRTAB, at["strings"]),
        (DT_SYMTAB, at["symbols"]),
        (DT_STRSZ, len(strings.data)),
        (DT_SYMENT, elf.SYM.size),
        (DT_VERSYM, at["versym"]),
    ]
    if library.versions:
        tags += [(DT_VERDEF, at["verdef"]), (DT_VERDEFNUM, len(library.versions))]
    dynamic = b"".join(elf.DYN.pack(*tag) for tag in [*tags, (0, 0)])
    parts["symbols"], end = _symbol_table(library.symbols, names, at["code"], len(code), dynamic_at + len(dynamic))

    header = elf.EHDR.pack(
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),
        3, library.machine, 1, 0, elf.EHDR.size, 0, 0, elf.EHDR.size, elf.PHDR.size, 4, 0, 0, 0,
    )  # fmt: skip
    segments = [
        (elf.PT_LOAD, 5, 0, 0, 0, read_only, read_only, PAGE),
        (elf.PT_LOAD, 6, dynamic_at, dynamic_at, dynamic_at, len(dynamic), end - dynamic_at, PAGE),
        (elf.PT_DYNAMIC, 6, dynamic_at, dynamic_at, dynamic_at, len(dynamic), len(dynamic), 8),
        (elf.PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 16),
    ]
    body = header + b"".join(elf.PHDR.pack(*segment) for segment in segments) + b"".join(parts.values())
    return body.ljust(dynamic_at, b"\0") + dynamic


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
    symbols: tuple[Symbol, ...], names: list[int], code_at: int, code_size: int, variables_at: int
) -> tuple[bytes, int]:
    """The symbol table, and the address behind the last variable."""
    rows, free = [b"\0" * elf.SYM.size], variables_at
    for symbol, name in zip(symbols, names, strict=True):
        # An indirect function is an ordinary one here: nothing is chosen at load time.
        if symbol.kind in {elf.STT_FUNC, elf.STT_GNU_IFUNC}:
            info = symbol.info & 0xF0 | elf.STT_FUNC
            rows.append(elf.SYM.pack(name, info, 0, 1, code_at, code_size))
        else:
            free = _up(free, 64)
            rows.append(elf.SYM.pack(name, symbol.info, 0, 1, free, symbol.size))
            free += symbol.size
    return b"".join(rows), free


def _version_definitions(library: Library, strings: _Strings) -> bytes:
    """The table of version definitions: one record with its name for each."""
    records = []
    for position, (index, flags, name) in enumerate(library.versions):
        last = position == len(library.versions) - 1
        size = elf.VERDEF.size + elf.VERDAUX.size
        records.append(
            elf.VERDEF.pack(1, flags, index, 1, _hash(name), elf.VERDEF.size, 0 if last else size)
            + elf.VERDAUX.pack(strings.offset(name), 0)
        )
    return b"".join(records)


def _hash_table(symbols: tuple[Symbol, ...]) -> bytes:
    """The System V hash table over the symbols; symbol 0 is the empty one."""
    buckets = [0] * max(1, len(symbols) // 2)
    chain = [0] * (len(symbols) + 1)
    for index, symbol in enumerate(symbols, start=1):
        bucket = _hash(symbol.name) % len(buckets)
        chain[index], buckets[bucket] = buckets[bucket], index
    words = [len(buckets), len(chain), *buckets, *chain]
    return _pad(struct.pack(f"<{len(words)}I", *words))


def _hash(name: str) -> int:
    """The System V ABI's hash of a symbol name."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value & 0xFFFFFFFF


def _up(value: int, unit: int = PAGE) -> int:
    return -(-value // unit) * unit


def _pad(data: bytes) -> bytes:
    return data.ljust(_up(len(data), 16), b"\0")
