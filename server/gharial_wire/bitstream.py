"""The bitstream file of the simulated cards, which is also the image of their flash memory.

    bytes 0 to 4095   page 0: a magic line, one line of JSON (version, release date, size and sha256 of the body), zeros
    from byte 4096    the body

Page 0 and the body are flashed separately, at offsets 0 and 4096, as the CAIMAN-ASR documentation has it for the
Achronix card. Standard library only: the flash tool and the agent's image need nothing else.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import date

MAGIC = b"gharial-bitstream/1\n"
PAGE_BYTES = 4096
BODY_OFFSET = 4096
# A new body is this long: long enough to be written in several pages, short enough for a ConfigMap.
BODY_BYTES = 64 * 1024


@dataclass(frozen=True)
class BitstreamHeader:
    """What page 0 says of the body. Sizes in bytes."""

    version: str
    release_date: date
    body_bytes: int
    body_sha256: str


def make_bitstream(version: str, release_date: date, body_bytes: int = BODY_BYTES) -> bytes:
    """A bitstream file; the same arguments give the same bytes."""
    if len(version.split(".")) != 3 or not all(part.isdigit() for part in version.split(".")):
        raise ValueError(f"version {version!r} is not three numbers, such as 1.14.0")
    body = hashlib.shake_256(f"gharial bitstream {version} {release_date}".encode()).digest(body_bytes)
    fields = {
        "bodyBytes": len(body),
        "bodySha256": hashlib.sha256(body).hexdigest(),
        "releaseDate": release_date.isoformat(),
        "version": version,
    }
    page = MAGIC + json.dumps(fields, sort_keys=True).encode() + b"\n"
    return page.ljust(PAGE_BYTES, b"\0") + body


def read_header(image: bytes) -> BitstreamHeader:
    """The header in page 0. Raises ValueError when there is none."""
    page = image[:PAGE_BYTES]
    if not page.startswith(MAGIC):
        raise ValueError("no bitstream: page 0 does not start with the magic line")
    try:
        fields = json.loads(page[len(MAGIC) :].split(b"\n", 1)[0])
        return BitstreamHeader(
            version=str(fields["version"]),
            release_date=date.fromisoformat(fields["releaseDate"]),
            body_bytes=int(fields["bodyBytes"]),
            body_sha256=str(fields["bodySha256"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"no bitstream: page 0 holds no readable header ({error})") from None


def check_image(image: bytes) -> BitstreamHeader:
    """The header, once the body agrees with it. Raises ValueError when the image is torn or changed."""
    header = read_header(image)
    body = image[BODY_OFFSET : BODY_OFFSET + header.body_bytes]
    if len(body) != header.body_bytes or hashlib.sha256(body).hexdigest() != header.body_sha256:
        raise ValueError("no bitstream: the body is not the one that page 0 describes")
    return header
