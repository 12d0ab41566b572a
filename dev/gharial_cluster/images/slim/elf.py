"""Reads what the loader looks at in a 64-bit little-endian ELF file: sections, needed libraries, wanted symbols.

Field names and layouts: System V ABI, "Object Files" and "Program Loading and Dynamic Linking"; symbol versions:
Linux Standard Base, "Symbol Versioning".
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
SHDR = struct.Struct("<IIQQQQIIQQ")
SYM = struct.Struct("<IBBHQQ")
DYN = struct.Struct("<qQ")
VERDEF = struct.Struct("<HHHHIII")
VERDAUX = struct.Struct("<II")
VERNEED = struct.Struct("<HHIII")
VERNAUX = struct.Struct("<IHHII")

PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_GNU_STACK = 1, 2, 4, 0x6474E551
SHT_DYNAMIC, SHT_DYNSYM = 6, 11
SHT_VERNEED, SHT_VERSYM = 0x6FFFFFFE, 0x6FFFFFFF
DT_NEEDED, DT_SONAME = 1, 14
STB_WEAK = 2
STT_OBJECT, STT_FUNC, STT_TLS = 1, 2, 6
VERSION_BITS = 0x7FFF


@dataclass(frozen=True)
class Section:
    """One section header, name resolved. Offsets and sizes are bytes."""

    name: str
    kind: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True)
class Wanted:
    """A symbol that a file uses and does not define.

    `kind` is STT_FUNC, STT_OBJECT, ...; `library` and `version` are None when the file asks for no version of it.
    """

    name: str
    kind: int
    library: str | None
    version: str | None


@dataclass(frozen=True)
class Library:
    """A shared object, as far as other files can see it."""

    machine: int
    needed: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    sections: tuple[Section, ...]


def read(path: Path) -> Library:
    """Reads a shared object. Raises ValueError when it is none, or has lost its section headers."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
    try:
        return _Reader(data).library()
    except KeyError as missing:
        raise ValueError(f"{path} has no section headers, or is no shared object") from missing


class _Reader:
    """The tables of one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        header = EHDR.unpack_from(data)
        self.machine: int = header[2]
        offset, size, count, names = header[6], header[11], header[12], header[13]
        raw = [SHDR.unpack_from(data, offset + index * size) for index in range(count)]
        self.sections = tuple(Section(self.text(raw[names][4] + row[0]), row[1], row[4], row[5], row[6]) for row in raw)
        self.of_kind = {section.kind: section for section in self.sections}

    def text(self, offset: int) -> str:
        return self.data[offset : self.data.index(b"\0", offset)].decode()

    def library(self) -> Library:
        dynamic = self.of_kind[SHT_DYNAMIC]
        strings = self.sections[dynamic.link].offset
        tags = DYN.iter_unpack(self.data[dynamic.offset : dynamic.offset + dynamic.size])
        needed = tuple(self.text(strings + value) for tag, value in tags if tag == DT_NEEDED)
        return Library(self.machine, needed, tuple(self.wanted()), self.sections)

    def wanted(self) -> Iterator[Wanted]:
        table = self.of_kind[SHT_DYNSYM]
        strings = self.sections[table.link].offset
        versions, numbers = self.versions(), self.of_kind.get(SHT_VERSYM)
        for index in range(1, table.size // SYM.size):
            name, info, _, section, _, _ = SYM.unpack_from(self.data, table.offset + index * SYM.size)
            if section != 0 or info >> 4 == STB_WEAK:
                continue
            number = struct.unpack_from("<H", self.data, numbers.offset + 2 * index)[0] if numbers else 0
            library, version = versions.get(number & VERSION_BITS, (None, None))
            yield Wanted(self.text(strings + name), info & 0xF, library, version)

    def versions(self) -> dict[int, tuple[str, str]]:
        """Number -> (library, version) of each version that the file asks for."""
        table = self.of_kind.get(SHT_VERNEED)
        if table is None:
            return {}
        strings, found, offset = self.sections[table.link].offset, {}, table.offset
        while True:
            _, count, library, aux, following = VERNEED.unpack_from(self.data, offset)
            position = offset + aux
            for _ in range(count):
                _, _, number, name, step = VERNAUX.unpack_from(self.data, position)
                found[number] = (self.text(strings + library), self.text(strings + name))
                position += step
            if not following:
                return found
            offset += following
