"""The codec between server and card: every message survives the way, and no bytes make it misbehave."""

from dataclasses import fields
from typing import Any

import pytest
from gharial_wire.card_protocol import (
    HEADER,
    MESSAGES,
    MOST_MESSAGE_BYTES,
    Done,
    Hello,
    MalformedMessageError,
    Message,
    Step,
    decode,
    decode_header,
    encode,
)
from hypothesis import given
from hypothesis import strategies as st

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "u16": st.integers(0, 2**16 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "text": st.text(max_size=200),
    "blob": st.binary(max_size=300),
    "words": st.binary(max_size=300).map(lambda data: data[: len(data) // 4 * 4]),
}


def messages_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    return st.builds(kind, *(FIELDS[part] for part in kind.LAYOUT.split()))


MESSAGE = st.sampled_from(sorted(MESSAGES.values(), key=lambda kind: kind.TYPE)).flatmap(messages_of)


def read(data: bytes) -> Message:
    size, kind = decode_header(data[: HEADER.size])
    assert size == len(data) - HEADER.size
    return decode(kind, data[HEADER.size :])


@given(MESSAGE)
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    assert read(encode(message)) == message


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=200))
def test_random_bytes_are_a_message_or_malformed(kind: int, body: bytes) -> None:
    try:
        message = decode(kind, body)
    except MalformedMessageError:
        return
    assert encode(message)[HEADER.size :] == body


@given(MESSAGE, st.integers(1, 40))
def test_a_message_cut_short_is_malformed(message: Message, cut: int) -> None:
    body = encode(message)[HEADER.size :]
    if cut <= len(body):
        with pytest.raises(MalformedMessageError):
            decode(message.TYPE, body[:-cut])


@given(MESSAGE, st.binary(min_size=1, max_size=9))
def test_bytes_left_over_are_malformed(message: Message, rest: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        decode(message.TYPE, encode(message)[HEADER.size :] + rest)


def test_a_length_beyond_the_bound_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedMessageError, match="at most"):
        decode_header(HEADER.pack(MOST_MESSAGE_BYTES + 1, Step.TYPE))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(MalformedMessageError, match="type 99"):
        decode_header(HEADER.pack(0, 99))


def test_a_message_beyond_the_bound_is_never_sent() -> None:
    with pytest.raises(ValueError, match="may be sent"):
        encode(Step(b"", b"", bytes(MOST_MESSAGE_BYTES)))


def test_a_number_that_does_not_fit_its_field_is_named() -> None:
    with pytest.raises(ValueError, match="highest is 65536"):
        encode(Hello(1, 65536, ""))


def test_the_layout_names_every_field_of_every_message() -> None:
    assert all(len(kind.LAYOUT.split()) == len(fields(kind)) for kind in MESSAGES.values())


def test_an_empty_message_is_five_bytes() -> None:
    assert encode(Done()) == b"\x00\x00\x00\x00\x0b"
