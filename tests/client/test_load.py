"""The load client's parts and decisions, and what it says of servers that answer nothing or nonsense."""

import math
import re
from html.parser import HTMLParser
from random import Random

import pytest
from gharial_client.load.charts import ticks
from gharial_client.load.generators import generators
from gharial_client.load.page import page
from gharial_client.load.plan import Level, LoadPlan, share
from gharial_client.load.search import PRECISION, Verdict, judge, largest, next_level
from gharial_client.load.speech import Speech
from gharial_client.load.summary import Conditions, summary
from gharial_client.load.tally import Failure, Tally
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

SECOND = bytes(32000)
LEVEL = Level(streams=4, ramp=0.2, seconds=1.0)


def tally(latencies: list[float], unanswered: int = 0, failures: int = 0, late: int = 0) -> Tally:
    seen = Tally(100.0, 103.0, unanswered=unanswered, messages=len(latencies), late_messages=late)
    seen.latencies.extend(latencies)
    seen.sent_at.extend(100 + 3 * index / len(latencies) for index in range(len(latencies)))
    seen.failures = [Failure(101.5, "refusal", 'HTTP 503: <full> & "busy"')] * failures
    seen.speaking.update({-0.5: 2, 0.0: 4, 0.5: 4, 1.0: 4, 2.5: 3})
    return seen


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(1, 16))
def test_the_shares_of_processes_are_all_streams_and_growing_takes_none_away(streams: int, processes: int) -> None:
    shares = [share(streams, number, processes) for number in range(processes)]
    assert sum(shares) == streams
    assert all(share(streams + 1, number, processes) >= shares[number] for number in range(processes))


@settings(deadline=None)
@given(st.lists(st.binary(min_size=2, max_size=50).filter(lambda r: len(r) % 2 == 0), min_size=1, max_size=4),
       st.integers(0, 99), st.integers(1, 30))  # fmt: skip
def test_speech_goes_through_all_recordings_in_turn_without_a_gap(
    recordings: list[bytes], seed: int, size: int
) -> None:
    speech = Speech(recordings, Random(seed))
    heard = b"".join(speech.take(2 * size, ending=False)[0] for _ in range(40))
    assert heard in b"".join(recordings) * (2 + len(heard) // sum(map(len, recordings)))


def test_a_stream_ends_with_its_recording() -> None:
    speech = Speech([bytes(100)], Random(1))
    messages = [speech.take(40, ending=True)]
    while not messages[-1][1]:
        messages.append(speech.take(40, ending=True))
    assert [speech.take(40, ending=True) for _ in range(3)] == [
        (bytes(40), False),
        (bytes(40), False),
        (bytes(20), True),
    ]


@settings(deadline=None)
@given(st.integers(0, 20000), st.integers(1, 3000))
def test_the_search_finds_what_a_server_carries(carried: int, first: int) -> None:
    verdicts: list[Verdict] = []
    streams: int | None = first
    while streams is not None:
        verdicts.append(Verdict(streams, 0.0, None if streams <= carried else "too late"))
        streams = next_level(verdicts)
    assert largest(verdicts) <= carried <= largest(verdicts) + max(1, PRECISION * largest(verdicts))
    assert len(verdicts) <= 30


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (tally([0.01] * 99 + [0.5]), None),
        (tally([0.01] * 98 + [0.5] * 2), "p99 500.0 ms"),
        (tally([0.01] * 100, unanswered=2), "p99 inf ms"),
        (tally([0.01] * 100, failures=3), "3 failures, such as HTTP 503"),
        (tally([0.01] * 100, late=2), "the client was too late itself"),
        (tally([]), "nothing was answered"),
    ],
)
def test_a_level_passes_only_with_every_stream_well_and_frames_in_time(seen: Tally, verdict: str | None) -> None:
    failed = judge(4, seen, 0.1).failed
    assert failed is None if verdict is None else failed is not None and failed.startswith(verdict)


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_an_axis_has_a_handful_of_round_ticks(begin: float, width: float) -> None:
    values = ticks(begin, begin + width)
    assert 2 <= len(values) <= 8
    assert all(begin - 1e-6 * width <= value <= begin + width * (1 + 1e-6) for value in values)


class Page(HTMLParser):
    """Gathers what a page draws and fetches."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{tag} {name}" for name, _ in attributes if name in ("src", "href", "srcset", "data")]


def test_the_page_has_a_table_beside_each_plot_and_fetches_nothing() -> None:
    verdicts = [Verdict(4, 0.02, None), Verdict(8, 0.2, "p99 200.0 ms")]
    conditions = Conditions(LoadPlan("ws://host/s?key=secret", (SECOND,)), LEVEL, 1, 0.1)
    text = page(summary(conditions, tally([0.001 * n for n in range(1, 301)], failures=2), verdicts))
    read = Page(text)
    assert read.tags.count("svg") == read.tags.count("table") == read.tags.count("desc") == 5
    assert read.fetched == []
    assert not re.search(r"@import|url\(|<script", text)
    assert "&lt;full&gt; &amp; &quot;busy&quot;" in text
    assert "secret" not in text


def test_the_page_of_a_test_in_which_nothing_was_answered_is_still_a_page() -> None:
    text = page(summary(Conditions(LoadPlan("ws://host", (SECOND,)), LEVEL, 1), tally([])))
    assert "None." in text


def test_the_numbers_by_second_and_by_latency_add_up() -> None:
    fields = summary(Conditions(LoadPlan("ws://host", (SECOND,)), LEVEL, 1), tally([0.01] * 300, failures=2))
    assert sum(bar["frames"] for bar in fields["histogram"]) == 300
    assert [(row["second"], row["streams"], row["refusals"]) for row in fields["over_time"]] == [
        (-1, 2, 0), (0, 4, 0), (1, 4, 2), (2, 3, 0)
    ]  # fmt: skip
    assert fields["latency_ms"]["p99"] == 10.0


async def test_several_processes_share_the_streams_and_one_report_comes_of_them(harness) -> None:
    recording = harness.spoken([1] * 100).astype("<i2").tobytes()
    async with harness.serve() as server:
        plan = LoadPlan(harness.url(server) + "/asr/v0.1/stream", (recording,), stream_seconds=100)
        async with generators(plan, 2) as measure:
            seen = await measure(LEVEL)
            active = server.service.engine.active
    assert active == 4
    assert (len(seen.failures), seen.unanswered) == (0, 0)
    assert seen.messages == len(seen.latencies) == pytest.approx(4 * 16.7, rel=0.2)
    assert seen.speaking[0.5] == 4


async def test_frames_that_are_never_answered_are_counted() -> None:
    async def listen(socket: ServerConnection) -> None:
        async for _ in socket:
            pass

    seen = await measured(listen)
    assert seen.unanswered == seen.messages > 0
    assert judge(4, seen, 1.0).p99 == math.inf


async def test_an_answer_that_is_none_is_an_error_of_the_server() -> None:
    async def confuse(socket: ServerConnection) -> None:
        async for _ in socket:
            await socket.send("[1, 2]")

    seen = await measured(confuse)
    assert seen.failures[0].kind == "error"
    assert seen.failures[0].reason.startswith("sent no answer: b'[1, 2]'")


async def measured(handler) -> Tally:
    """What the client sees of a server that does as `handler`."""
    async with serve(handler, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()
        async with generators(LoadPlan(f"ws://{host}:{port}", (SECOND,), stream_seconds=100), 1) as measure:
            return await measure(LEVEL)
