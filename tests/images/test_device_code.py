"""How the segments of a file lie after GPU code was cut out of it."""

from gharial_cluster.images.slim import elf
from gharial_cluster.images.slim.device_code import cut

PAGE = 0x1000


def segment(kind: int, offset: int, address: int, size: int) -> list[int]:
    return [kind, 4, offset, address, address, size, size, PAGE]


def test_every_address_stays_and_the_gap_is_left_to_zeros() -> None:
    before = [
        segment(elf.PT_LOAD, 0, 0, 0x2000),
        segment(elf.PT_LOAD, 0x2000, 0x2000, 0x9000),  # constants, GPU code at 0x4000..0xA000, more constants
        segment(elf.PT_LOAD, 0xB000, 0xC000, 0x1000),
        segment(elf.PT_DYNAMIC, 0xB100, 0xC100, 0x100),
    ]
    untouched, first, second, data, dynamic = cut(before, 0x4000, 0xA000)
    assert untouched == before[0]
    # (file offset, address, bytes in the file, bytes in memory)
    assert (first[2], first[3], first[5], first[6]) == (0x2000, 0x2000, 0x2000, 0x8000)
    assert (second[2], second[3], second[5], second[6]) == (0x4000, 0xA000, 0x1000, 0x1000)
    assert (data[2], data[3]) == (0x5000, 0xC000)
    assert (dynamic[2], dynamic[3]) == (0x5100, 0xC100)


def test_pages_of_file_and_memory_stay_aligned() -> None:
    before = [segment(elf.PT_LOAD, 0x2000, 0x5000, 0x9000)]
    assert all(each[2] % PAGE == each[3] % PAGE for each in cut(before, 0x4000, 0xA000))
