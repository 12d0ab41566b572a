"""What is fuzzed: each target takes any bytes and fails when a promise to clients or to the server is broken."""

import json
import math
from collections.abc import Callable, Iterator

from gharial_wire.answers import AnswerError, decode_answer
from gharial_wire.closing import FAILED
from gharial_wire.formats.content_type import MODEL_FORMAT, parse_content_type
from gharial_wire.formats.decoders import feed_of
from gharial_wire.formats.errors import FormatError
from gharial_wire.request import MAX_ALTERNATIVES, RequestError, StreamRequest, parse_target
from gharial_wire.stream import END, Phase, ServerStream

# A header of an HTTP answer and a line of a log hold no more.
LONGEST_REASON = 600
# What a few KiB of a compressed stream may become: the longest Opus packet is 120 ms, the longest FLAC block 65,535.
MOST_SECONDS_PER_BYTE = 6.0
CONTENT_TYPES = (
    "audio/ogg;codecs=opus",
    "audio/webm;codecs=opus",
    "audio/flac",
    *(f"audio/x-raw;format={coding};channels={channels};rate={rate}"
      for coding in ("S16LE", "F32LE", "MULAW", "ALAW") for channels, rate in ((1, 8000), (2, 44100), (8, 48000))),
)  # fmt: skip


def request(data: bytes) -> None:
    """A request target is understood, or refused with 400 or 404 and one harmless line."""
    for coding in ("utf-8", "latin-1"):
        try:
            parsed = parse_target(data.decode(coding, "replace"))
        except RequestError as error:
            assert error.status in (400, 404)
            told = str(error)
            assert told.isprintable() and len(told) <= LONGEST_REASON, told
            continue
        assert 1 <= parsed.alternatives <= MAX_ALTERNATIVES
        assert parsed.pauses is None or 0 < parsed.pauses < math.inf
        assert all(math.isfinite(boost) for _, boost in parsed.keywords)


def answer(data: bytes) -> None:
    """What a server sends is an answer with at least one alternative, or an AnswerError."""
    try:
        read = decode_answer(data)
    except AnswerError:
        return
    assert read.alternatives
    assert isinstance(read.transcript, str)


def stream(data: bytes) -> None:
    """Whatever comes in whatever order: samples are whole, END comes once, nothing goes out after the Close."""
    machine = ServerStream(
        StreamRequest(words=data[:1] == b"w", pauses=0.5 if data[:1] == b"p" else None, flush=data[:1] == b"f")
    )
    sent, given, ends, close, clock = 0, 0, 0, None, 0.0
    steps = iter(data)
    for step in steps:
        count = next(steps, 0)
        was_open, listening = machine.close is None, machine.is_listening
        kind = step % 8
        if kind < 4:
            got = machine.receive_binary(bytes(count))
            sent += count if listening else 0
            ends += got is END
            given += 0 if got is END else len(got)
        elif kind == 4:
            machine.receive_text(b"flush" if count % 2 else bytes(count))
        elif kind == 5 and count % 16 == 0:
            machine.end(FAILED)
        else:
            told = machine.answer(clock, clock + count / 100, kind == 6, [(" word" * (count % 3), 0.5)], step > 240)
            clock += count / 100
            assert was_open or told is None
            if told is not None:
                assert json.loads(told)["alternatives"]
        assert given % 2 == 0 and given <= sent
        assert ends <= 1
        assert close is None or machine.close == close
        close = machine.close
        assert (close is not None) == (machine.phase is Phase.CLOSED)
    assert given >= sent - 1


def codec(data: bytes) -> None:
    """Audio in any format: decoded or refused with a FormatError, the same however it is cut, and in bounds."""
    name = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else CONTENT_TYPES[0]
    cut, audio = 1 + (data[1] if len(data) > 1 else 0), data[2:]
    assert parse_content_type(name) != MODEL_FORMAT
    whole = decoded(name, [audio])
    pieces = decoded(name, [audio[at : at + cut] for at in range(0, len(audio), cut)])
    assert whole == pieces, f"{name}: {whole and len(whole)} bytes in one message, {pieces and len(pieces)} in several"
    if whole is not None:
        assert len(whole) % 2 == 0
        assert len(whole) <= 32000 * (MOST_SECONDS_PER_BYTE * len(audio) + 1)


def decoded(content_type: str, messages: list[bytes]) -> bytes | None:
    """The samples of a stream; None when it was refused."""
    feed = feed_of(parse_content_type(content_type))
    assert feed is not None
    try:
        return b"".join(_samples(feed.push, feed.take, feed.end, lambda: feed.is_empty, messages))
    except FormatError as error:
        assert str(error).isprintable() and len(str(error)) <= 200, str(error)
        return None


def _samples(
    push: Callable[[bytes], None],
    take: Callable[[], bytes],
    end: Callable[[], None],
    is_empty: Callable[[], bool],
    messages: list[bytes],
) -> Iterator[bytes]:
    for message in messages:
        push(message)
        while not is_empty():
            yield take()
    end()
    while not is_empty():
        yield take()


TARGETS: dict[str, Callable[[bytes], None]] = {"request": request, "answer": answer, "stream": stream, "codec": codec}
