"""Messages between a server and the card that computes for it, over the card's Unix socket.

A message is a 32-bit length, an 8-bit type and a body; everything is little-endian. The server asks, the card answers
every request with one message: the one named here, `Done`, or `Refusal`.

    Hello    -> Welcome      first; settles the protocol version and says what the card is
    Offer    -> Loaded       takes the card, which runs an artefact that it has
             -> Wanted       or: it does not have it; upload it, then offer it again
    Upload   -> Done         a piece of the artefact that was offered, in order
    Open     -> Done         makes a slot as new
    Free     -> Done         takes a slot from its stream
    Step     -> Emissions    60 ms of audio of some slots

Arrays of 32-bit numbers travel as raw bytes (`words`). docs/reference/card-protocol.md explains fields and refusals.
No sockets and nothing but the standard library here.
"""

import struct
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar

LOWEST_VERSION = 2
HIGHEST_VERSION = 2
# Bounds that a reader holds before it believes a length: a step of 4096 streams is 15.7 MB.
MOST_MESSAGE_BYTES = 1 << 24
MOST_TEXT_BYTES = 4096
# The pieces in which an artefact is sent.
UPLOAD_BYTES = 1 << 20
HEADER = struct.Struct("<IB")


class MalformedMessageError(ValueError):
    """Bytes that are no message of this protocol."""


class Code(IntEnum):
    """Why a card refuses."""

    MALFORMED = 1
    VERSION_UNSUPPORTED = 2
    LICENCE_MISSING = 3
    LICENCE_EXPIRED = 4
    LICENCE_VERSION_EXCEEDED = 5
    LICENCE_INVALID = 6
    BITSTREAM_TOO_OLD = 7
    ARTEFACT_BAD = 8
    FULL = 9
    BUSY = 10
    STALE_SLOT = 11
    NOT_LOADED = 12
    FAILED = 13


class CardError(RuntimeError):
    """A card's refusal. `code` is for programs; the message names the remedy."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.explanation = message


@dataclass(frozen=True)
class Message:
    """Base of all messages. LAYOUT names the kind of each field, in the order of the fields."""

    TYPE: ClassVar[int]
    LAYOUT: ClassVar[str]


@dataclass(frozen=True)
class Hello(Message):
    """The versions that the server speaks, and its name for the card's log."""

    TYPE, LAYOUT = 1, "u16 u16 text"
    lowest: int
    highest: int
    name: str


@dataclass(frozen=True)
class Welcome(Message):
    """The version agreed, the card's unique id, its live bitstream, its licence's state, the streams it carries."""

    TYPE, LAYOUT = 2, "u16 text text text u32"
    version: int
    card_id: str
    bitstream_version: str
    licence_state: str
    capacity: int


@dataclass(frozen=True)
class Offer(Message):
    """An artefact: sha256 of its bytes in hex, their number, the slots wanted (0: as many as there are), and how
    streams are decoded (JSON)."""

    TYPE, LAYOUT = 3, "text u64 u32 text"
    digest: str
    size: int
    slots: int
    recognition: str = "{}"


@dataclass(frozen=True)
class Wanted(Message):
    """The card does not have that artefact."""

    TYPE, LAYOUT = 4, ""


@dataclass(frozen=True)
class Upload(Message):
    """A piece of the artefact."""

    TYPE, LAYOUT = 5, "blob"
    data: bytes


@dataclass(frozen=True)
class Loaded(Message):
    """The card runs the artefact: slots that it holds, samples in a step."""

    TYPE, LAYOUT = 6, "u32 u32"
    slots: int
    step_samples: int


@dataclass(frozen=True)
class Open(Message):
    """A slot for a stream that is named by a generation other than 0, and the stream's keywords (JSON, or nothing)."""

    TYPE, LAYOUT = 7, "u32 u32 blob"
    slot: int
    generation: int
    keywords: bytes = b""


@dataclass(frozen=True)
class Free(Message):
    """The slot's stream is over."""

    TYPE, LAYOUT = 8, "u32"
    slot: int


@dataclass(frozen=True)
class Step(Message):
    """slots int32 and generations uint32, one each per row; samples float32, step_samples per row."""

    TYPE, LAYOUT = 9, "words words words"
    slots: bytes
    generations: bytes
    samples: bytes


@dataclass(frozen=True)
class Emissions(Message):
    """Settled: counts int32 per row of the step; tokens int32, their encoder frames since the stream began int32 and
    probabilities float32 of all rows, in the rows' order. Open: widths int32 hypotheses per row; scores float32 and
    open_counts int32 per hypothesis, row by row and best first; their tokens likewise."""

    TYPE, LAYOUT = 10, "words words words words words words words words words words"
    counts: bytes
    tokens: bytes
    frames: bytes
    probabilities: bytes
    widths: bytes
    scores: bytes
    open_counts: bytes
    open_tokens: bytes
    open_frames: bytes
    open_probabilities: bytes


@dataclass(frozen=True)
class Done(Message):
    """The request was carried out."""

    TYPE, LAYOUT = 11, ""


@dataclass(frozen=True)
class Refusal(Message):
    """The request was not carried out. After MALFORMED and VERSION_UNSUPPORTED the card closes the connection."""

    TYPE, LAYOUT = 12, "u16 text"
    code: int
    explanation: str


MESSAGES: dict[int, type[Message]] = {
    kind.TYPE: kind
    for kind in (Hello, Welcome, Offer, Wanted, Upload, Loaded, Open, Free, Step, Emissions, Done, Refusal)
}
_NUMBERS = {"u16": struct.Struct("<H"), "u32": struct.Struct("<I"), "u64": struct.Struct("<Q")}
_LENGTH = struct.Struct("<I")


def encode(message: Message) -> bytes:
    """The bytes of a message, header included. Raises ValueError when a field does not fit."""
    parts: list[bytes] = [b""]
    for field, kind in zip(fields(message), message.LAYOUT.split(), strict=True):
        parts += _encode_field(kind, field.name, getattr(message, field.name))
    size = sum(map(len, parts))
    if size > MOST_MESSAGE_BYTES:
        raise ValueError(f"{type(message).__name__} has {size} bytes, at most {MOST_MESSAGE_BYTES} may be sent")
    parts[0] = HEADER.pack(size, message.TYPE)
    return b"".join(parts)


def _encode_field(kind: str, name: str, value: Any) -> list[bytes]:
    if kind in _NUMBERS:
        try:
            return [_NUMBERS[kind].pack(value)]
        except struct.error as error:
            raise ValueError(f"{name} is {value}: {error}") from error
    data = value.encode() if kind == "text" else value
    if kind == "text" and len(data) > MOST_TEXT_BYTES:
        data = data[:MOST_TEXT_BYTES].decode(errors="ignore").encode()
    if kind == "words" and len(data) % 4:
        raise ValueError(f"{name} has {len(data)} bytes, not a multiple of 4")
    return [_LENGTH.pack(len(data)), data]


def decode_header(header: bytes) -> tuple[int, int]:
    """Body length and type of a message. Raises MalformedMessageError when either cannot be."""
    size, kind = HEADER.unpack(header)
    if kind not in MESSAGES:
        raise MalformedMessageError(f"type {kind} is no message of this protocol")
    if size > MOST_MESSAGE_BYTES:
        raise MalformedMessageError(f"a message of {size} bytes; at most {MOST_MESSAGE_BYTES} are allowed")
    return size, kind


def decode(kind: int, body: bytes) -> Message:
    """The message in a body. Raises MalformedMessageError."""
    message = MESSAGES[kind]
    values: list[Any] = []
    at = 0
    try:
        for part in message.LAYOUT.split():
            value, at = _decode_field(part, body, at)
            values.append(value)
    except (struct.error, UnicodeDecodeError) as error:
        raise MalformedMessageError(f"{message.__name__}: {error}") from error
    if at != len(body):
        raise MalformedMessageError(f"{message.__name__} ends at byte {at} of {len(body)}")
    return message(*values)


def _decode_field(kind: str, body: bytes, at: int) -> tuple[Any, int]:
    if kind in _NUMBERS:
        number = _NUMBERS[kind]
        return number.unpack_from(body, at)[0], at + number.size
    (length,) = _LENGTH.unpack_from(body, at)
    start, end = at + _LENGTH.size, at + _LENGTH.size + length
    if end > len(body):
        raise MalformedMessageError(f"a field of {length} bytes does not fit into the message")
    data = body[start:end]
    if kind == "words" and length % 4:
        raise MalformedMessageError(f"an array of {length} bytes; 4 to a number are needed")
    if kind == "text":
        if length > MOST_TEXT_BYTES:
            raise MalformedMessageError(f"a text of {length} bytes; at most {MOST_TEXT_BYTES} are allowed")
        return data.decode(), end
    return data, end
