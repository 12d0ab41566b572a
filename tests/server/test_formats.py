"""Streams in other formats than the model's, over real sockets, with the null engine: one answer per 60 ms."""

import asyncio
import json
from urllib.parse import quote

import pytest
from gharial_server.bench.encoding import encode, speechlike
from websockets.exceptions import ConnectionClosed

SECONDS = 1.5
TARGET = "/asr/v0.1/stream?content_type="
STREAMS = {
    "audio/x-raw;format=F32LE;channels=1;rate=16000": speechlike(SECONDS, 16000).tobytes(),
    "audio/x-raw;format=S16LE;channels=2;rate=44100": bytes(int(SECONDS * 44100) * 4),
    "audio/x-mulaw;channels=1;rate=8000": bytes(int(SECONDS * 8000)),
    "audio/ogg;codecs=opus": encode(speechlike(SECONDS, 48000)[None], 48000, "ogg", "libopus"),
    "audio/webm;codecs=opus": encode(speechlike(SECONDS, 48000)[None], 48000, "webm", "libopus"),
    "audio/flac": encode(speechlike(SECONDS, 16000)[None], 16000, "flac", "flac"),
}


@pytest.mark.parametrize("content_type", STREAMS)
@pytest.mark.parametrize("subprotocols", [None, ["stream.asr.api.myrtle.ai"]])
async def test_every_format_gets_an_answer_per_frame(harness, content_type: str, subprotocols) -> None:
    data = STREAMS[content_type]
    spelling = quote(content_type, safe="") if subprotocols else content_type
    async with (
        harness.serve() as server,
        harness.connect(server, TARGET + spelling, subprotocols=subprotocols) as connection,
    ):
        for at in range(0, len(data), 777):
            await connection.send(data[at : at + 777])
        answers = [json.loads(text) for text in await harness.end(connection)]
    assert connection.close_code == 1000
    # An Opus encoder fills its last packet.
    assert SECONDS <= answers[-1]["end"] <= SECONDS + 0.02
    assert [answer["start"] for answer in answers] == [round(0.06 * n, 3) for n in range(len(answers))]


async def test_audio_that_is_not_what_content_type_says_closes_with_1007_and_the_reason(harness) -> None:
    async with harness.serve() as server, harness.connect(server, TARGET + "audio/flac") as connection:
        await connection.send(b"RIFF" + bytes(2000))
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == 1007
        assert connection.close_reason == "400 the audio is no FLAC stream; send what content_type says"
        await harness.until(lambda: server.service.load.active == 0)


async def test_a_small_message_with_hours_of_audio_holds_up_nobody_else(harness) -> None:
    """FLAC of digital silence: 65535 samples at 8 kHz in a few bytes."""
    silence = encode(speechlike(3000.0, 8000)[None] * 0, 8000, "flac", "flac")
    assert len(silence) < 1 << 20
    async with (
        harness.serve() as server,
        harness.connect(server, TARGET + "audio/flac") as heavy,
        harness.connect(server) as light,
    ):
        await heavy.send(silence)
        backlogs = []
        for _ in range(30):
            await light.send(bytes(1920))
            await asyncio.wait_for(light.recv(), 1)
            backlogs.append(max(stream.backlog_seconds for stream in server.service.engine._streams.values()))
        assert max(backlogs) < 20
        await heavy.close()
