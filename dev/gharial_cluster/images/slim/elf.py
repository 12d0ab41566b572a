"""Reads what the loader looks at in a 64-bit little-endian ELF file: sections, segments, needs, exported symbols.

Field names and layouts: System V ABI, "Object Files" and "Program Loading and Dynamic Linking"; symbol versions:
Linux Standard Base, "Symbol Versioning".
"""

import struct
from dataclasses import dataclass
from pathlib import Path

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
SHDR = struct.Struct("<IIQQQQIIQQ")
SYM = struct.Struct("<IBBHQQ")
DYN = struct.Struct("<qQ")
VERDEF = struct.Struct("<HHHHIII")
VERDAUX = struct.Struct("<II")

PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_GNU_STACK = 1, 2, 4, 0x6474E551
SHT_STRTAB, SHT_DYNAMIC, SHT_DYNSYM = 3, 6, 11
SHT_VERDEF, SHT_VERSYM = 0x6FFFFFFD, 0x6FFFFFFF
DT_NEEDED, DT_SONAME = 1, 14
STT_OBJECT, STT_FUNC, STT_TLS, STT_GNU_IFUNC = 1, 2, 6, 10
VER_FLG_BASE = 1


@dataclass(frozen=True)
class Section:
    """One section header, name resolved. Offsets and sizes are bytes."""

    name: str
    kind: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True)
class Symbol:
    """One exported symbol. `version` indexes the file's version definitions, hidden bit included."""

    name: str
    info: int
    size: int
    version: int

    @property
    def kind(self) -> int:
        """STT_FUNC, STT_OBJECT, ..."""
        return self.info & 0xF


@dataclass(frozen=True)
class Library:
    """A shared object, as far as other files can see it."""

    machine: int
    soname: str
    needed: tuple[str, ...]
    symbols: tuple[Symbol, ...]
    # (index, flags, name) of each version definition.
    versions: tuple[tuple[int, int, str], ...]
    sections: tuple[Section, ...]


def is_elf(path: Path) -> bool:
    """Whether the file is a 64-bit little-endian ELF file."""
    with path.open("rb") as file:
        return file.read(6) == b"\x7fELF\x02\x01"


def read(path: Path) -> Library:
    """Reads a shared object. Raises ValueError when it is none, or has lost its section headers."""
    if not is_elf(path):
        raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
    return _Reader(path.read_bytes()).library(path.name)


class _Reader:
    """The tables of one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        header = EHDR.unpack_from(data)
        self.machine: int = header[2]
        offset, size, count, names = header[6], header[11], header[12], header[13]
        if not count:
            raise ValueError("the file has no section headers")
        raw = [SHDR.unpack_from(data, offset + index * size) for index in range(count)]
        self.sections = tuple(Section(self.text(raw[names][4] + row[0]), row[1], row[4], row[5], row[6]) for row in raw)

    def text(self, offset: int) -> str:
        return self.data[offset : self.data.index(b"\0", offset)].decode()

    def of_kind(self, kind: int) -> Section | None:
        return next((section for section in self.sections if section.kind == kind), None)

    def library(self, file_name: str) -> Library:
        needed, soname = [], file_name
        dynamic = self.of_kind(SHT_DYNAMIC)
        if dynamic is None:
            raise ValueError(f"{file_name} is not a shared object")
        strings = self.sections[dynamic.link].offset
        for tag, value in DYN.iter_unpack(self.data[dynamic.offset : dynamic.offset + dynamic.size]):
            if tag == DT_NEEDED:
                needed.append(self.text(strings + value))
            elif tag == DT_SONAME:
                soname = self.text(strings + value)
        return Library(self.machine, soname, tuple(needed), self.symbols(), self.versions(), self.sections)

    def symbols(self) -> tuple[Symbol, ...]:
        table, versions = self.of_kind(SHT_DYNSYM), self.of_kind(SHT_VERSYM)
        if table is None:
            return ()
        strings = self.sections[table.link].offset
        found = []
        for index in range(1, table.size // SYM.size):
            name, info, _, section, _, size = SYM.unpack_from(self.data, table.offset + index * SYM.size)
            if section == 0:
                continue
            version = struct.unpack_from("<H", self.data, versions.offset + 2 * index)[0] if versions else 1
            found.append(Symbol(self.text(strings + name), info, size, version))
        return tuple(found)

    def versions(self) -> tuple[tuple[int, int, str], ...]:
        table = self.of_kind(SHT_VERDEF)
        if table is None:
            return ()
        strings = self.sections[table.link].offset
        found, offset = [], table.offset
        while True:
            _, flags, index, _, _, aux, following = VERDEF.unpack_from(self.data, offset)
            name, _ = VERDAUX.unpack_from(self.data, offset + aux)
            found.append((index, flags, self.text(strings + name)))
            if not following:
                return tuple(found)
            offset += following
