"""The client against real servers: words, latency, refusals, lost connections."""

import asyncio
import contextlib
from http import HTTPStatus

import numpy as np
import pytest
from gharial_client.connecting import StreamError
from gharial_client.transcription import Options, transcribe
from gharial_wire.answers import encode_answer
from gharial_wire.closing import RESTARTING
from gharial_wire.request import StreamRequest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Response

FAST = Options(pace=None)


async def test_the_transcript_is_what_was_said(harness) -> None:
    async with harness.serve() as server:
        result = await transcribe(harness.spoken([0, 7, 0, 12, 7, 7]), harness.url(server), FAST)
    assert result.transcript == "7 12 7 7"
    assert (result.answers, result.reconnects, len(result.streams)) == (6, 0, 1)
    assert [final.end for final in result.finals] == pytest.approx([0.06 * n for n in range(1, 7)])


@pytest.mark.parametrize("chunk", [1, 333, 960, 5000])
async def test_the_chunk_size_changes_nothing(harness, chunk: int) -> None:
    async with harness.serve() as server:
        result = await transcribe(harness.spoken([3, 0, 4]), harness.url(server), Options(pace=None, chunk=chunk))
    assert result.transcript == "3 4"


async def test_at_the_pace_of_speech_each_frame_is_timed(harness) -> None:
    async with harness.serve() as server:
        result = await transcribe(harness.spoken([1] * 10), harness.url(server), Options(pace=1.0))
    assert result.wall_seconds >= 0.6
    assert len(result.latencies) == 10
    assert 0 < result.latency(50) <= result.latency(99) < 0.5


async def test_an_empty_recording_has_an_empty_transcript(harness) -> None:
    async with harness.serve() as server:
        result = await transcribe(harness.spoken([]), harness.url(server), FAST)
    assert (result.transcript, result.answers) == ("", 0)


async def test_a_refused_request_is_not_tried_again_and_the_reason_is_shown(harness) -> None:
    async with harness.serve() as server:
        with pytest.raises(StreamError, match="lang de is not served by model general; served is en"):
            await transcribe(harness.spoken([1]), harness.url(server) + "?lang=de", FAST)


@pytest.mark.parametrize(("reason", "opened"), [("", True), ("this key may not\n", False)])
async def test_a_bare_403_of_a_gateway_without_ready_pods_is_asked_again_and_one_with_a_reason_is_not(
    harness, reason: str, opened: bool
) -> None:
    refusals = iter([reason] * 2)

    def gate(connection: ServerConnection, request: object) -> Response | None:
        return connection.respond(HTTPStatus.FORBIDDEN, reason) if next(refusals, None) is not None else None

    async def server(stream: ServerConnection) -> None:
        while await stream.recv():
            pass

    async with serve(server, "127.0.0.1", 0, process_request=gate) as listening:
        url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        if opened:
            assert (await transcribe(harness.spoken([]), url, FAST)).transcript == ""
            return
        with pytest.raises(StreamError, match="this key may not"):
            await transcribe(harness.spoken([]), url, FAST)


async def test_a_full_server_is_asked_again_after_its_retry_after(harness) -> None:
    async with harness.serve(capacity=1, retry_after=0) as server:
        place = server.service.admit(StreamRequest())
        waiting = asyncio.create_task(transcribe(harness.spoken([5]), harness.url(server), FAST))
        refused = server.service.metrics.refusals.labels("full")
        await harness.until(lambda: refused._value.get() > 0)
        place.close()
        assert (await waiting).transcript == "5"


async def test_patience_ends_with_what_was_seen(harness) -> None:
    async with harness.serve(capacity=1, retry_after=0) as server:
        server.service.admit(StreamRequest())
        with pytest.raises(StreamError, match=r"maximum number of simultaneous connections.*gave up after \d+ att"):
            await transcribe(harness.spoken([5]), harness.url(server), Options(patience_seconds=0.2))


async def test_a_server_that_is_not_there_is_named(harness) -> None:
    async with harness.serve() as server:
        url = harness.url(server)
    with pytest.raises(StreamError, match=f"{url}/asr/v0.1/stream cannot be reached"):
        await transcribe(harness.spoken([5]), url, Options(patience_seconds=0.2))


async def test_a_client_goes_on_when_the_server_restarts(harness) -> None:
    """The stream is cut in the pause between two numbers, then the server goes and a new one comes."""
    samples = harness.spoken([1, 2, *[0] * 12, 3, 4])
    seen: list[str] = []
    rewinds: list[tuple[float, str]] = []
    async with contextlib.AsyncExitStack() as first_server:
        server = await first_server.enter_async_context(harness.serve())
        url, port = harness.url(server), server.port
        task = asyncio.create_task(
            transcribe(
                samples, url, Options(pace=1.0), lambda a: seen.append(a.transcript), lambda *r: rewinds.append(r)
            )
        )
        await harness.until(lambda: len(seen) == 11)
    async with harness.serve(port=port):
        result = await task
    assert result.transcript == "1 2 3 4"
    assert result.reconnects == 1
    assert len(rewinds) == 1
    assert rewinds[0][1] == "1 2"
    assert [final.start for final in result.finals] == pytest.approx([0.06 * n for n in range(16)])


async def test_each_connection_may_be_lost_and_nothing_is_said_twice(harness) -> None:
    said = [*range(1, 90)]
    async with harness.serve() as server:
        cuts = 0

        def cut(answer) -> None:
            nonlocal cuts
            if answer.transcript.strip() in {"7", "19", "33"} and cuts < 3:
                cuts += 1
                server.service.close_all(RESTARTING)

        result = await transcribe(harness.spoken(said), harness.url(server), Options(pace=3.0), cut)
    assert result.reconnects == 3
    assert result.transcript == " ".join(map(str, said))


async def test_where_the_server_ends_a_stream_at_an_endpoint_the_next_one_goes_on() -> None:
    """A server that ends every stream after three frames, as at an endpoint; frames carry numbers."""

    async def listen(socket: ServerConnection) -> None:
        heard = b""
        async for message in socket:
            assert isinstance(message, bytes)
            heard += message
            if not message or len(heard) >= 3 * 1920:
                break
        numbers = [str(heard[at]) for at in range(0, min(len(heard), 3 * 1920), 1920)]
        text = "".join(f" {number}" for number in numbers)
        ended = "silence" if len(numbers) == 3 else None
        await socket.send(encode_answer(0.0, 0.06 * len(numbers), False, [(text, 1.0)], ended))

    samples = np.repeat(np.arange(1, 8, dtype=np.int16), 960)
    async with serve(listen, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()
        result = await transcribe(samples, f"ws://{host}:{port}", Options(pace=None, through_endpoints=True))
        ended_early = await transcribe(samples, f"ws://{host}:{port}", FAST)
    assert result.transcript == "1 2 3 4 5 6 7"
    assert [round(final.end, 2) for final in result.finals] == [0.18, 0.36, 0.42]
    assert ended_early.transcript == "1 2 3"
