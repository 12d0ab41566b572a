"""The card's socket against servers that do not behave."""

import contextlib
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cards import TestCard
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_simcard.host import CardHost
from gharial_wire.card_channel import CardChannel
from gharial_wire.card_protocol import (
    CardError,
    Code,
    Done,
    Emissions,
    Hello,
    Loaded,
    Message,
    Offer,
    Open,
    Refusal,
    Step,
    Upload,
    Wanted,
    Welcome,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import tiny_checkpoint

FRAME = np.zeros(960, "<f4").tobytes()


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "tiny.gharial"
    write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("card")
    host = CardHost(folder / "card.sock", folder / "cache", TestCard())
    host.start()
    yield folder / "card.sock"
    host.stop()


@pytest.fixture
def channel(path: Path) -> Iterator[CardChannel]:
    with CardChannel.connect(path, 30.0) as channel:
        channel.hello("test")
        yield channel


def load(channel: CardChannel, artefact: bytes) -> Loaded:
    offer = Offer(hashlib.sha256(artefact).hexdigest(), len(artefact), 2)
    answer: Message = channel.ask(offer, Loaded, Wanted)
    if isinstance(answer, Wanted):
        channel.ask(Upload(artefact), Done)
        answer = channel.ask(offer, Loaded)
    assert isinstance(answer, Loaded)
    return answer


def numbers(values: list[int], kind: str) -> bytes:
    return np.array(values, kind).tobytes()


def refused(channel: CardChannel, request: Message) -> Code:
    with pytest.raises(CardError) as raised:
        channel.ask(request, Done, Loaded, Wanted, Emissions)
    return raised.value.code


def test_anybody_may_ask_what_the_card_is(path: Path) -> None:
    with CardChannel.connect(path, 30.0) as channel:
        assert channel.hello("probe") == Welcome(2, "0123456789abcdef", "1.14.0", "Valid", 4)


def test_versions_that_do_not_meet_are_refused_and_the_connection_ends(path: Path) -> None:
    with CardChannel.connect(path, 30.0) as channel:
        channel.send(Hello(7, 9, "future"))
        answer = channel.receive()
        assert isinstance(answer, Refusal)
        assert answer.code == Code.VERSION_UNSUPPORTED
        assert channel.receive() is None


def test_a_first_message_that_is_not_hello_ends_the_connection(path: Path) -> None:
    with CardChannel.connect(path, 30.0) as channel:
        channel.send(Open(0, 1))
        answer = channel.receive()
        assert isinstance(answer, Refusal)
        assert answer.code == Code.MALFORMED
        assert channel.receive() is None


def test_steps_and_slots_need_an_artefact(channel: CardChannel) -> None:
    assert refused(channel, Open(0, 1)) is Code.NOT_LOADED
    assert refused(channel, Step(numbers([0], "<i4"), numbers([1], "<u4"), FRAME)) is Code.NOT_LOADED
    assert refused(channel, Upload(b"bytes")) is Code.NOT_LOADED


def test_an_artefact_whose_bytes_are_others_than_offered_is_refused(channel: CardChannel, artefact: bytes) -> None:
    wrong = b"x" + artefact[1:]
    channel.ask(Offer(hashlib.sha256(artefact + b"?").hexdigest(), len(wrong), 1), Wanted)
    assert refused(channel, Upload(wrong)) is Code.ARTEFACT_BAD


def test_bytes_that_are_no_artefact_are_refused_and_not_kept(channel: CardChannel) -> None:
    junk = bytes(5000)
    offer = Offer(hashlib.sha256(junk).hexdigest(), len(junk), 1)
    for _ in range(2):
        channel.ask(offer, Wanted)
        channel.ask(Upload(junk), Done)
        assert refused(channel, offer) is Code.ARTEFACT_BAD


def test_a_step_of_a_former_stream_is_refused_and_the_card_goes_on(channel: CardChannel, artefact: bytes) -> None:
    load(channel, artefact)
    channel.ask(Open(1, 5), Done)
    channel.ask(Open(1, 6), Done)
    step = Step(numbers([1], "<i4"), numbers([5], "<u4"), FRAME)
    assert refused(channel, step) is Code.STALE_SLOT
    emitted = channel.ask(Step(numbers([1], "<i4"), numbers([6], "<u4"), FRAME), Emissions)
    assert len(emitted.counts) == 4


def test_a_slot_beyond_the_last_is_refused(channel: CardChannel, artefact: bytes) -> None:
    assert load(channel, artefact).slots == 2
    assert refused(channel, Open(2, 1)) is Code.FULL


@pytest.mark.parametrize(
    "step",
    [
        Step(numbers([0], "<i4"), numbers([1], "<u4"), FRAME[:-4]),
        Step(numbers([0], "<i4"), numbers([1, 1], "<u4"), FRAME),
        Step(b"", b"", b""),
        Step(numbers([0], "<i4"), numbers([1], "<u4"), np.full(960, np.nan, "<f4").tobytes()),
    ],
)
def test_a_step_that_is_none_ends_the_connection(path: Path, artefact: bytes, step: Step) -> None:
    with CardChannel.connect(path, 30.0) as channel:
        channel.hello("test")
        load(channel, artefact)
        channel.ask(Open(0, 1), Done)
        assert refused(channel, step) is Code.MALFORMED
        assert channel.receive() is None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=400))
def test_noise_on_the_socket_never_harms_the_card(path: Path, noise: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.settimeout(30.0)
        raw.connect(str(path))
        raw.sendall(noise)
        with contextlib.suppress(ConnectionResetError):  # the card closes without reading the rest
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    with CardChannel.connect(path, 30.0) as channel:
        assert channel.hello("after").capacity == 4
