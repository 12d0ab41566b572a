"""The PCIe Device Serial Number: 64 bits that the card's maker wrote into its extended configuration space.

The kernel shows that space as the binary file `config` of a device; without CAP_SYS_ADMIN it ends after 64 bytes.
Layout after the PCI Express Base Specification: capabilities begin at 0x100, each with a header of 32 bits (id in bits
0 to 15, offset of the next one in bits 20 to 31); the serial number is capability 0x0003, its lower half comes first.
"""

import struct

FIRST = 0x100
SERIAL_NUMBER = 0x0003
# No more capabilities than this fit into 4096 bytes; a longer chain goes in a circle.
MOST = 960


def serial_number(config: bytes) -> str:
    """The serial number as 16 hexadecimal digits, upper half first; empty when there is none, or it was never set."""
    offset = FIRST
    for _ in range(MOST):
        if offset < FIRST or offset + 4 > len(config):
            return ""
        (header,) = struct.unpack_from("<I", config, offset)
        if header in {0, 0xFFFFFFFF}:
            return ""
        if header & 0xFFFF == SERIAL_NUMBER and offset + 12 <= len(config):
            lower, upper = struct.unpack_from("<II", config, offset + 4)
            number = f"{upper:08x}{lower:08x}"
            return "" if set(number) <= {"0"} or set(number) <= {"f"} else number
        offset = header >> 20
    return ""
