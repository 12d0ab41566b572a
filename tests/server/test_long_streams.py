"""Streams of hours, sent faster than real time: every frame is answered, in its place, and memory stays as it was."""

import asyncio
import json

import httpx

HOUR = 3600.0
FRAME = 0.06
# Several seconds of audio at a time, cut in the middle of samples and frames.
MESSAGE = bytes(123_457)
# What allocators may keep of a burst; an answer that was kept for each frame would be ten times as much.
SPARE_BYTES = 16 << 20


async def resident_bytes(url: str) -> float:
    async with httpx.AsyncClient() as client:
        text = (await client.get(url)).text
    return float(
        next(line.split()[1] for line in text.splitlines() if line.startswith("process_resident_memory_bytes "))
    )


async def test_an_hour_of_audio_gets_an_answer_for_each_frame_and_takes_no_memory(harness) -> None:
    async with harness.process() as server, await server.connect() as connection:
        http_port = server.lines[0]["http_port"]
        metrics = f"http://127.0.0.1:{http_port}/metrics"

        async def speak() -> None:
            left = round(HOUR * 32000)
            while left:
                message = MESSAGE[:left]
                await connection.send(message)
                left -= len(message)
            await connection.send(b"")

        speaking = asyncio.create_task(speak())
        ends, before = 0, 0.0
        async for message in connection:
            ends += 1
            assert abs(json.loads(message)["end"] - ends * FRAME) < 1e-3
            if ends == 1000:  # buffers have found their size
                before = await resident_bytes(metrics)
            elif ends == round(HOUR / FRAME) - 1000:
                assert await resident_bytes(metrics) - before < SPARE_BYTES
        await speaking
        assert ends == round(HOUR / FRAME)
        assert connection.close_code == 1000
