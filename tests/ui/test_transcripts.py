"""What the page shows is what the recogniser says, from files and from the microphone."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsed_page import Server, browsing, cuttable, serving
from gharial_asr.audio import read_audio
from gharial_asr.building import build_runner
from gharial_asr.compilation import CompiledModel, load_model
from gharial_asr.decoding.settings import BEAM
from gharial_asr.offline import transcribe
from gharial_asr.recognition import PLAIN, Recognition
from numpy.typing import NDArray

STARTER = Path(__file__).resolve().parents[2] / "models/starter"
DIGITS = STARTER / "samples/digits.flac"
FIVE_DIGITS = STARTER / "samples/digits-jackson-000.flac"


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    return load_model(STARTER / "starter.gharial")


def offline(model: CompiledModel, samples: NDArray[np.float32], told: Recognition = PLAIN) -> str:
    """The transcript without any server."""
    ((_, transcription),) = transcribe(build_runner(model, 1, told), model, [samples])
    return transcription.transcript.strip()


def floats(sent: bytearray) -> NDArray[np.float32]:
    """What the page sent, as the recogniser takes it."""
    return np.frombuffer(sent, "<i2").astype(np.float32) / 32768


async def test_a_recording_gets_the_offline_transcript_to_the_letter(starter: Server, model: CompiledModel) -> None:
    expected = read_audio(DIGITS)
    async with browsing(starter.url) as browsed:
        await browsed.page.get_by_text("Settings", exact=True).click()
        await browsed.page.get_by_label("as fast as the server takes them").check()
        await browsed.page.set_input_files("#file", DIGITS)
        await browsed.status("Finished")
        assert np.array_equal(floats(browsed.streams[0]), expected)  # to the bit
        assert await browsed.words() == offline(model, expected)
        spoken = await browsed.page.locator("#announcer").inner_text()
        assert spoken.split()[-1] == offline(model, expected).split()[-1]  # screen readers say it too
        assert browsed.console == []


async def test_a_stereo_recording_at_44_100_hz_is_mixed_and_resampled(
    starter: Server, model: CompiledModel, tmp_path: Path
) -> None:
    whole = read_audio(DIGITS, 44100)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([1.2 * whole, 0.8 * whole], axis=1), 44100, subtype="PCM_16")
    async with browsing(starter.url) as browsed:
        await browsed.page.get_by_text("Settings", exact=True).click()
        await browsed.page.get_by_label("as fast as the server takes them").check()
        await browsed.page.set_input_files("#file", path)
        await browsed.status("Finished")
        sent, expected = floats(browsed.streams[0]), read_audio(path)
        assert abs(len(sent) - len(expected)) <= 1
        assert similarity(sent, expected) > 0.999
        assert await browsed.words() == offline(model, sent)


async def test_the_microphone_gets_the_transcript_of_what_it_heard(
    starter: Server, model: CompiledModel, tmp_path: Path
) -> None:
    recording = read_audio(FIVE_DIGITS)
    spoken = tmp_path / "spoken.wav"
    soundfile.write(spoken, np.concatenate([np.zeros(32000, np.float32), recording, np.zeros(8000, np.float32)]), 16000)
    async with browsing(starter.url, microphone=spoken) as browsed:
        await browsed.page.get_by_role("button", name="Microphone").click()
        await browsed.status("Listening")
        await browsed.page.wait_for_timeout(1000 * soundfile.info(spoken).duration)
        await browsed.page.get_by_role("button", name="Stop").click()
        await browsed.status("Finished")
        sent = floats(browsed.streams[0])
        words = await browsed.words()
    assert similarity(sent, recording) > 0.5
    assert words == offline(model, sent)
    assert len(words.split()) >= 4


async def test_beam_search_shows_readings_and_ends_with_the_offline_transcript(
    beam: Server, model: CompiledModel
) -> None:
    async with browsing(f"{beam.url}?alternatives=3") as browsed:
        await browsed.page.set_input_files("#file", FIVE_DIGITS)
        await browsed.page.locator(".word[data-sure=open]").first.wait_for()
        await browsed.page.locator("#readings li").nth(1).wait_for()
        await browsed.status("Finished")
        expected = offline(model, read_audio(FIVE_DIGITS), Recognition(decoder=BEAM))
        assert await browsed.words() == expected
        assert await browsed.page.locator(".word[data-sure=open]:visible").count() == 1  # the legend's


async def test_a_broken_connection_goes_on_at_the_last_pause_and_costs_one_word_at_most(
    starter: Server, model: CompiledModel
) -> None:
    async with cuttable(starter.port) as (port, cut), browsing(f"{starter.url}?url=ws://localhost:{port}") as browsed:
        await browsed.page.set_input_files("#file", FIVE_DIGITS)
        await browsed.page.locator("#text .word").nth(1).wait_for()
        cut.set()
        await browsed.page.get_by_role("alert").get_by_text("The connection was lost. Trying again in 1 s").wait_for()
        await browsed.status("Finished")
        # The second stream knows nothing of the first, so it may hear a word otherwise: better or worse.
        assert edits(await browsed.words(), offline(model, read_audio(FIVE_DIGITS))) <= 1
        assert len(browsed.streams) == 2


async def test_after_an_endpoint_of_the_server_the_next_stream_takes_the_rest(
    model: CompiledModel, tmp_path: Path
) -> None:
    spoken = tmp_path / "twice.wav"
    digits = read_audio(FIVE_DIGITS)
    soundfile.write(spoken, np.concatenate([digits, np.zeros(48000, np.float32), digits]), 16000)
    with serving("--checkpoint", str(STARTER / "starter.gharial"), "--silence-terminate-seconds", "1") as server:
        async with browsing(server.url) as browsed:
            await browsed.page.get_by_text("Settings", exact=True).click()
            await browsed.page.get_by_label("as fast as the server takes them").check()
            await browsed.page.set_input_files("#file", spoken)
            await browsed.status("Finished")
            assert len(browsed.streams) >= 2
            once = offline(model, digits)
            assert edits(await browsed.words(), f"{once} {once}") <= 2


def edits(a: str, b: str) -> int:
    """The fewest words put in, left out or changed that make one text of the other."""
    row = list(range(len(b.split()) + 1))
    for word in a.split():
        corner, row[0] = row[0], row[0] + 1
        for i, other in enumerate(b.split(), 1):
            corner, row[i] = row[i], min(corner + (word != other), row[i] + 1, row[i - 1] + 1)
    return row[-1]


def similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The largest normalised correlation of the shorter signal with any stretch of the longer one."""
    long, short = (a, b) if len(a) >= len(b) else (b, a)
    size = 1 << (len(long) + len(short)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size)), size)
    best = int(np.argmax(correlation[: len(long) - len(short) + 1]))
    stretch = long[best : best + len(short)]
    return float(stretch @ short / np.sqrt((stretch @ stretch) * (short @ short)))
