"""What a client may not do: read nothing, say nothing, flood. Memory stays bounded and the others notice nothing."""

import asyncio
import json
import socket
import sys
import time

import pytest
from gharial_server.web.session import MAX_BACKLOG_SECONDS
from gharial_server.web.streams import MAX_MESSAGE_BYTES
from websockets.exceptions import ConnectionClosed

SAMPLES_60_MS = b"\0" * 1920
SECOND = b"\0" * 32_000

# A client that sends one byte per message, as fast as it can.
FLOOD = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None, compression=None) as socket:
    while True:
        socket.send(bytes(1))
"""


def narrow_socket(port: int) -> socket.socket:
    """A connection whose kernel buffers few bytes, so that a client that does not read is noticed soon."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", port))
    narrow.setblocking(False)
    return narrow


async def test_a_stream_that_says_nothing_is_closed_with_1008_and_its_place_is_free(harness) -> None:
    async with harness.serve(idle_timeout=0.2) as server, harness.connect(server) as connection:
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == 1008
        assert "no audio came for too long" in connection.close_reason
        assert server.service.load.active == 0


async def test_a_client_that_vanishes_without_a_word_loses_its_place(harness) -> None:
    """Half open: the peer neither reads, nor answers, nor closes."""
    async with harness.serve(idle_timeout=0.2) as server, harness.connect(server) as connection:
        connection.transport.pause_reading()
        await harness.until(lambda: server.service.load.active == 0)


async def test_a_client_that_reads_nothing_is_dropped_and_holds_little_memory_until_then(harness) -> None:
    async with harness.serve(write_timeout=0.5) as server:
        options = {"sock": narrow_socket(server.port), "max_queue": 1}
        async with harness.connect(server, **options) as connection:

            async def flood() -> None:
                for _ in range(100_000):
                    await connection.send(SECOND)

            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(flood(), 30)
        await harness.until(server.service.emptied.is_set)
        assert server.service.load.active == 0
        read = server.service.metrics.audio._value.get()
        assert read < 3600, "the server went on reading from a client that did not read"


async def test_audio_faster_than_the_engine_waits_in_the_socket_not_in_memory(harness) -> None:
    async with harness.serve() as server:
        backlogs = []
        async with harness.connect(server) as connection:
            engine = server.service.engine

            async def send() -> None:
                for _ in range(600):
                    await connection.send(SECOND)
                    backlogs.extend(stream.backlog_seconds for stream in engine._streams.values())
                await connection.send(b"")

            sending = asyncio.create_task(send())
            answers = [json.loads(text) async for text in connection]
            await sending
        assert len(answers) == 10_000
        # One read of the socket may come on top, as long as the longest message.
        assert max(backlogs) <= MAX_BACKLOG_SECONDS + MAX_MESSAGE_BYTES / len(SECOND) + 1


async def test_a_flood_of_tiny_messages_does_not_stop_the_others(harness) -> None:
    async with harness.process() as server, await server.connect() as other:
        flood = await asyncio.create_subprocess_exec(sys.executable, "-c", FLOOD, server.url)
        try:
            waits = []
            for _ in range(40):
                began = time.monotonic()
                await other.send(SAMPLES_60_MS)
                await asyncio.wait_for(other.recv(), 5)
                waits.append(time.monotonic() - began)
            assert flood.returncode is None, "the flood has ended before the measurement"
        finally:
            flood.kill()
            await flood.wait()
        assert sorted(waits)[len(waits) // 2] < 0.25


async def test_many_connections_that_never_finish_their_handshake_harm_nobody(harness) -> None:
    async with harness.serve(capacity=2) as server:
        half_open = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(200)]
        for _, writer in half_open:
            writer.write(b"GET /asr/v0.1/stream HTTP/1.1\r\nHost: x\r\n")
        async with harness.connect(server) as connection:
            await connection.send(SAMPLES_60_MS)
            assert len(await harness.end(connection)) == 1
        for _, writer in half_open:
            writer.close()
