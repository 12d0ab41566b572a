"""The client's parts: URLs, recordings, latencies."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gharial_client.latency import LatencyMeter, percentile
from gharial_client.recordings import read_recording
from gharial_client.target import stream_url

ENCODED = "content_type=audio/x-raw%3Bformat%3DS16LE%3Bchannels%3D1%3Brate%3D16000"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("localhost:3030", f"ws://localhost:3030/asr/v0.1/stream?{ENCODED}"),
        ("ws://host", f"ws://host/asr/v0.1/stream?{ENCODED}"),
        ("https://host/", f"wss://host/asr/v0.1/stream?{ENCODED}"),
        ("ws://[::1]:3030", f"ws://[::1]:3030/asr/v0.1/stream?{ENCODED}"),
        ("ws://h/asr/v0.1/stream?content_type=audio/x-raw;rate=1", "ws://h/asr/v0.1/stream?content_type=audio/x-raw;rate=1"),
        ("ws://h/other?api_key=k", f"ws://h/other?api_key=k&{ENCODED}"),
    ],
)  # fmt: skip
def test_what_a_user_types_becomes_a_streams_url(given: str, url: str) -> None:
    assert stream_url(given) == url


def test_parameters_are_added_unless_the_url_has_them() -> None:
    assert stream_url("ws://h?lang=de", lang="en", model="general", version=None).endswith("&model=general")


@pytest.mark.parametrize("given", ["ftp://host", "ws://", ""])
def test_what_is_no_url_is_said_to_be_none(given: str) -> None:
    with pytest.raises(ValueError, match="ws://localhost:3030"):
        stream_url(given)


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_a_16_khz_recording_arrives_bit_for_bit(form: str, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    soundfile.write(tmp_path / f"a.{form}", samples, 16000)
    assert np.array_equal(read_recording(tmp_path / f"a.{form}"), samples)


def test_another_rate_and_two_channels_become_16_khz_mono(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000) * 0.5
    soundfile.write(tmp_path / "a.wav", np.stack((tone, tone), 1), 48000)
    read = read_recording(tmp_path / "a.wav")
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * 16384
    assert read.shape == (16000,)
    assert np.abs(read[500:-500] - expected[500:-500]).max() < 200


def test_a_file_that_is_no_audio_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("hello")
    with pytest.raises(ValueError, match=r"a\.wav cannot be read as audio.*give a wav, flac"):
        read_recording(tmp_path / "a.wav")


def test_latency_is_from_a_frames_last_sample_to_its_first_answer() -> None:
    meter = LatencyMeter()
    meter.sent(800, 1.0)
    meter.sent(2080, 1.1)
    assert meter.answered(0.06) == [1.1]
    assert meter.answered(0.06) == []
    assert meter.answered(0.18) == [1.1]
    assert meter.answered(0.24) == []


def test_an_answer_that_covers_several_frames_is_the_first_of_each() -> None:
    meter = LatencyMeter()
    meter.sent(960, 1.0)
    meter.sent(3840, 1.2)
    assert meter.unanswered() == [1.0, 1.2, 1.2, 1.2]
    assert meter.answered(0.19) == [1.0, 1.2, 1.2]
    assert meter.unanswered() == [1.2]


def test_percentiles_are_values_that_were_seen() -> None:
    assert [percentile([3, 1, 2, 4], p) for p in (0, 50, 75, 99, 100)] == [1, 2, 3, 4, 4]
    assert math.isnan(percentile([], 50))
