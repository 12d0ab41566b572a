"""Drops the code for GPUs from a library's file; the code for the CPU, and all addresses, stay as they are.

nvcc puts GPU code into the section `.nv_fatbin` in the midst of a read-only segment. The segment is cut in two around
it: the loader fills the gap with pages of zeros, which nobody reads without a GPU.
"""

from pathlib import Path

from . import elf

SECTION = ".nv_fatbin"
P_TYPE, P_OFFSET, P_VADDR, P_PADDR, P_FILESZ, P_MEMSZ, P_ALIGN = 0, 2, 3, 4, 5, 6, 7


def drop_device_code(path: Path) -> None:
    """Rewrites the file without its GPU code. One without any, or with no room for one more segment, stays."""
    section = next((each for each in elf.read(path).sections if each.name == SECTION), None)
    if section is None:
        return
    data = path.read_bytes()
    header = list(elf.EHDR.unpack_from(data))
    count = header[10]
    segments = [list(elf.PHDR.unpack_from(data, header[5] + index * elf.PHDR.size)) for index in range(count)]
    unit = max(segment[P_ALIGN] for segment in segments if segment[P_TYPE] == elf.PT_LOAD)
    # The first page stays: it begins with the header by which the CUDA runtime registers the code.
    start = -(-(section.offset + 1) // unit) * unit
    end = (section.offset + section.size) // unit * unit
    note = next((segment for segment in segments if segment[P_TYPE] == elf.PT_NOTE), None)
    if note is None or end <= start:
        return
    segments.remove(note)  # The build id: its place in the table of segments is needed for the second half.
    segments = cut(segments, start, end)
    table = b"".join(elf.PHDR.pack(*segment) for segment in segments)
    # Sections are of no use to the loader, and their table would have to be shifted too.
    header[6] = header[12] = header[13] = 0
    data = elf.EHDR.pack(*header) + data[elf.EHDR.size : header[5]] + table + data[header[5] + len(table) :]
    path.write_bytes(data[:start] + data[end:])


def cut(segments: list[list[int]], start: int, end: int) -> list[list[int]]:
    """The segments after the bytes start..end of the file are gone; the one that holds them becomes two."""
    result = []
    for segment in segments:
        offset, size = segment[P_OFFSET], segment[P_FILESZ]
        if offset >= end:
            result.append([*segment[:P_OFFSET], offset - (end - start), *segment[P_VADDR:]])
        elif offset <= start and offset + size >= end and segment[P_TYPE] == elf.PT_LOAD:
            first, second = list(segment), list(segment)
            first[P_FILESZ] = start - offset
            first[P_MEMSZ] = end - offset
            second[P_OFFSET] = start
            second[P_VADDR] += end - offset
            second[P_PADDR] += end - offset
            second[P_FILESZ] -= end - offset
            second[P_MEMSZ] -= end - offset
            result += [first, second]
        else:
            result.append(segment)
    return result
