"""The way between front end and engine, over a real link: nothing is lost, mixed up or left over."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from gharial_server.engine.interface import (
    Alternative,
    Answer,
    EngineFullError,
    EngineStoppedError,
    Event,
    Failed,
    ModelInfo,
    Step,
)
from gharial_server.keeper import is_hopeless
from gharial_server.link.events import event_of, plain
from gharial_server.link.framing import Inbox, Kind, feed_entries, feed_message, packed
from gharial_server.link.host import LinkHost
from gharial_server.link.remote import RemoteEngine
from gharial_server.null_engine import NullEngine
from gharial_server.totals import LATENCY_BUCKETS, StepTotals, totals
from gharial_wire.answers import Word
from hypothesis import given
from hypothesis import strategies as st

MODEL = ModelInfo("general", "v1", "en", "abc", "null")
FRAME = bytes(1920)

words = st.builds(Word, st.text(), st.floats(0, 9), st.floats(0, 9), st.floats(0, 1))
alternatives = st.builds(Alternative, st.text(), st.floats(0, 1), st.lists(words, max_size=2).map(tuple))
answers = st.builds(
    Answer, st.floats(0, 9), st.floats(0, 9), st.booleans(), st.lists(alternatives, min_size=1, max_size=3).map(tuple),
    st.booleans(), st.sampled_from([None, "eos", "silence"]),
)  # fmt: skip


@given(answers | st.builds(Failed, st.text()), st.integers(1, 1 << 31))
def test_an_event_arrives_as_it_was(event: Event, stream: int) -> None:
    assert event_of(plain(stream, event)[1]) == event


@given(st.lists(st.binary(max_size=3000), max_size=8), st.integers(1, 2000))
def test_messages_cut_anywhere_arrive_whole(payloads: list[bytes], piece: int) -> None:
    entries = [number for at, payload in enumerate(payloads) for number in (at, len(payload))]
    sent = b"".join([*feed_message(entries, payloads), packed(Kind.EVENTS, ["end"])])
    ours, theirs = socket.socketpair()
    found: list[bytes] = []
    with ours, theirs:
        inbox = Inbox(theirs)
        kinds = []
        for at in range(0, len(sent), piece):
            ours.send(sent[at : at + piece])
            for kind, body in inbox.read():
                kinds.append(kind)
                if kind is Kind.FEED:
                    told, begin = feed_entries(body)
                    for _, length in told:
                        found.append(bytes(body[begin : begin + length]))
                        begin += length
    assert found == payloads
    assert kinds == [Kind.FEED, Kind.EVENTS]


def test_a_message_larger_than_the_buffer_arrives() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    message = memoryview(packed(Kind.EVENTS, bytes(3 << 20)))
    with ours, theirs:
        inbox, sizes = Inbox(theirs), []
        while not sizes:
            with contextlib.suppress(BlockingIOError):
                message = message[ours.send(message) :]
            sizes = [len(body) for _, body in inbox.read()]
    assert sizes[0] > 3 << 20


@pytest.mark.parametrize(("ages", "hopeless"), [([0, 1], False), ([0, 1, 2], True), ([0, 1, 61], False)])
def test_three_deaths_within_a_minute_are_hopeless(ages: list[float], hopeless: bool) -> None:
    assert is_hopeless([1000 - age for age in ages], 1000.0) is hopeless


class Listener:
    """A sink that keeps what it is told, and lets one wait for the closing answer of each stream."""

    def __init__(self) -> None:
        self.events: dict[int, list[Event]] = {}
        self.steps: list[StepTotals] = []

    def sink(self, events: Sequence[tuple[int, Event]]) -> None:
        for number, event in events:
            self.events.setdefault(number, []).append(event)

    async def over(self, stream: int) -> list[Event]:
        async with asyncio.timeout(20):
            while not any(isinstance(e, Failed) or e.closing for e in self.events.get(stream, [])):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return self.events[stream]


@contextlib.asynccontextmanager
async def linked(capacity: int) -> AsyncIterator[tuple[RemoteEngine, NullEngine, Listener]]:
    """A null engine, and the same as a front end sees it."""
    listener = Listener()
    engine = NullEngine(MODEL, capacity, lambda step: host.observe(step))
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    host = LinkHost(engine, theirs)
    remote = RemoteEngine(ours, listener.steps.append)
    host.start()
    await remote.greeted()
    try:
        yield remote, engine, listener
    finally:
        remote.stop()
        engine.stop()


async def test_the_front_end_knows_what_the_engine_is() -> None:
    async with linked(7) as (remote, engine, _):
        told = (remote.capacity, remote.frame_seconds, remote.model, remote.keyword_rules, remote.process_id)
        assert told == (7, 0.06, MODEL, engine.keyword_rules, engine.process_id)


async def test_audio_in_bytes_int16_and_float32_is_answered_in_order_and_counted() -> None:
    async with linked(1) as (remote, _, listener):
        stream = remote.open(listener.sink)
        stream.push(FRAME)
        stream.push(np.zeros(960, np.int16))
        stream.push(np.zeros(960, np.float32))
        assert stream.backlog_seconds == pytest.approx(0.18)
        stream.finish()
        events = await listener.over(stream.id)
        assert [round(event.end, 2) for event in events] == [0.06, 0.12, 0.18, 0.18]
        async with asyncio.timeout(10):
            while sum(step.audio_seconds for step in listener.steps) < 0.18:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def test_a_place_that_is_given_back_can_be_taken_in_the_same_turn() -> None:
    async with linked(1) as (remote, engine, listener):
        for _ in range(50):
            stream = remote.open(listener.sink)
            with pytest.raises(EngineFullError):
                remote.open(listener.sink)
            stream.push(FRAME)
            stream.close()
        last = remote.open(listener.sink)
        last.finish()
        assert [type(event) for event in await listener.over(last.id)] == [Answer]
        assert (remote.active, engine.active) == (0, 0)


async def test_streams_of_a_front_end_that_goes_are_closed_in_the_engine() -> None:
    async with linked(3) as (remote, engine, listener):
        streams = [remote.open(listener.sink) for _ in range(3)]
        for stream in streams:
            stream.push(FRAME[:100])
        await asyncio.sleep(0.05)
        remote.stop()
        assert [listener.events[stream.id] for stream in streams] == [[Failed("the recogniser has stopped")]] * 3
        with pytest.raises(EngineStoppedError):
            remote.open(listener.sink)
        async with asyncio.timeout(10):
            while engine.active:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def test_latencies_are_counted_in_the_bucket_of_the_first_bound_that_they_do_not_exceed() -> None:
    counted = totals(Step(3, 0.01, (0.005, 0.0051, 99.0), 0.18))
    assert [at for at, count in enumerate(counted.latency_counts) if count] == [0, 1, len(LATENCY_BUCKETS)]
    assert counted.latency_sum == pytest.approx(99.0101)
