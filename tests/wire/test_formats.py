"""Audio in other formats than the model's: what comes out, however the bytes are cut, and what broken bytes give."""

import io
import itertools
import random

import av
import numpy as np
import pytest
from gharial_server.bench.encoding import encode, speechlike
from gharial_wire.formats.content_type import AudioFormat, Coding, parse_content_type
from gharial_wire.formats.decoders import build_decoder, feed_of
from gharial_wire.formats.errors import FormatError
from gharial_wire.formats.feed import PIECE_SECONDS, Feed
from gharial_wire.formats.flac import crc16
from gharial_wire.request import StreamRequest
from gharial_wire.stream import END, FLUSH, ServerStream
from hypothesis import example, given, settings
from hypothesis import strategies as st

TONE_16K = speechlike(3.0, 16000)


def sound(rate: int, channels: int = 1) -> np.ndarray:
    """(channels, n): the tone in the first channel, less of it in the others."""
    return np.stack([speechlike(3.0, rate) / (1 + n) for n in range(channels)])


def raw(coding: str, rate: int, channels: int = 1) -> bytes:
    x_NC = np.ascontiguousarray(sound(rate, channels).T)
    return x_NC.astype("<f4").tobytes() if coding == "F32LE" else (x_NC * 32767).astype("<i2").tobytes()


STREAMS = {
    "audio/x-raw;format=F32LE;channels=1;rate=16000": raw("F32LE", 16000),
    "audio/x-raw;format=S16LE;channels=1;rate=8000": raw("S16LE", 8000),
    "audio/x-raw;format=S16LE;channels=2;rate=44100": raw("S16LE", 44100, 2),
    "audio/x-raw;format=F32LE;channels=3;rate=48000": raw("F32LE", 48000, 3),
    "audio/x-mulaw;channels=1;rate=8000": encode(sound(8000), 8000, "mulaw", "pcm_mulaw"),
    "audio/x-raw;format=ALAW;channels=1;rate=8000": encode(sound(8000), 8000, "alaw", "pcm_alaw"),
    "audio/ogg;codecs=opus": encode(sound(48000), 48000, "ogg", "libopus"),
    "audio/ogg; codecs=opus": encode(sound(48000, 2), 48000, "ogg", "libopus", page_us=1_000_000),
    "audio/webm;codecs=opus": encode(sound(48000), 48000, "webm", "libopus"),
    "audio/flac": encode(sound(16000), 16000, "flac", "flac"),
    "audio/x-flac": encode(sound(44100, 2), 44100, "flac", "flac"),
}


def decode(audio: AudioFormat, pieces: list[bytes]) -> np.ndarray:
    decoder = build_decoder(audio)
    parts = [part for piece in pieces for part in decoder.feed(piece)] + list(decoder.flush())
    return np.frombuffer(b"".join(parts), "<i2")


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    borders = [0, *itertools.takewhile(lambda at: at < len(data), itertools.accumulate(itertools.cycle(sizes)))]
    return [data[a:b] for a, b in itertools.pairwise([*borders, len(data)])]


@pytest.mark.parametrize("content_type", STREAMS)
def test_every_format_gives_the_tone_at_16_khz(content_type: str) -> None:
    heard = decode(parse_content_type(content_type), [STREAMS[content_type]]) / 32768
    # Encoders pad their last packet with up to 20 ms.
    assert 0 <= len(heard) - len(TONE_16K) <= 320
    heard = heard[: len(TONE_16K)]
    gain = float(heard @ TONE_16K / (TONE_16K @ TONE_16K))
    assert gain == pytest.approx(1 if ";channels=1" in content_type or "raw" not in content_type else gain, rel=0.3)
    error = heard - gain * TONE_16K
    assert np.sqrt(np.mean(error[800:-800] ** 2)) < 0.01


@pytest.mark.parametrize("content_type", STREAMS)
def test_bytes_cut_anywhere_give_the_same_samples(content_type: str) -> None:
    data = STREAMS[content_type]
    data = data[:6000]
    audio = parse_content_type(content_type)
    whole = decode(audio, [data])
    draw = random.Random(4)
    for sizes in ([3], [1920], [draw.randint(1, 700) for _ in range(50)]):
        assert np.array_equal(decode(audio, cut(data, sizes)), whole)


@settings(deadline=None, max_examples=30)
@example([436, 16, 3356])
@given(st.lists(st.integers(16, 5000), min_size=1, max_size=8))
def test_flac_and_webm_cut_anywhere_give_the_same_samples(sizes: list[int]) -> None:
    for content_type in ("audio/flac", "audio/webm;codecs=opus"):
        data, audio = STREAMS[content_type][:12000], parse_content_type(content_type)
        assert np.array_equal(decode(audio, cut(data, sizes)), decode(audio, [data]))


def test_flac_frames_are_decoded_as_soon_as_their_last_byte_is_there() -> None:
    """Where frames end is found here by FFmpeg's own parser, which waits for ten headers to be sure."""
    data = STREAMS["audio/flac"]
    with av.open(io.BytesIO(data)) as recording:
        sizes = [packet.size for packet in recording.demux() if packet.size]
    at = data.index(b"\xff\xf8", 42)
    decoder = build_decoder(parse_content_type("audio/flac"))
    assert b"".join(decoder.feed(data[:at])) == b""
    given_samples = []
    for size in sizes[:-1]:
        given_samples.append(len(b"".join(decoder.feed(data[at : at + size]))) // 2)
        at += size
    assert len(given_samples) > 5
    assert set(given_samples) == {given_samples[0]}
    assert given_samples[0] > 0


@pytest.mark.parametrize("content_type", ["audio/ogg;codecs=opus", "audio/webm;codecs=opus"])
def test_an_opus_packet_is_decoded_as_soon_as_its_last_byte_is_there(content_type: str) -> None:
    """All that stays behind is the resampler's."""
    decoder = build_decoder(parse_content_type(content_type))
    data = STREAMS[content_type]
    samples = [len(b"".join(decoder.feed(data[at : at + 1]))) // 2 for at in range(len(data))]
    assert len(TONE_16K) - sum(samples) < 0.01 * 16000


@given(st.binary(max_size=600))
def test_crc16_in_blocks_is_the_one_bit_by_bit(data: bytes) -> None:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
    assert crc16(data) == crc
    assert crc16(data[100:], crc16(data[:100])) == crc


def test_a_channel_is_heard_alone_and_all_of_them_otherwise() -> None:
    left, right = speechlike(1, 16000), np.zeros(16000, np.float32)
    data = (np.stack([left, right], axis=1) * 32767).astype("<i2").tobytes()
    heard = {k: decode(AudioFormat(Coding.S16LE, 16000, 2, k), [data]) for k in (None, 1, 2)}
    assert np.array_equal(heard[1], (left * 32767).astype("<i2"))
    assert not heard[2].any()
    assert np.abs(heard[None] - heard[1] / 2).max() <= 1
    with pytest.raises(FormatError, match="channel 2 was asked for, but the audio has 1"):
        decode(AudioFormat(Coding.FLAC, 0, 0, 2), [STREAMS["audio/flac"]])


def test_floats_that_are_no_samples_are_silence_or_full_scale() -> None:
    data = np.array([np.nan, np.inf, -np.inf, 2.0, 0.5], "<f4").tobytes()
    assert decode(AudioFormat(Coding.F32LE), [data]).tolist() == [0, 32767, -32768, 32767, 16384]


@pytest.mark.parametrize("coding", ["mulaw", "alaw"])
def test_g711_is_read_as_ffmpeg_reads_it(coding: str) -> None:
    every = bytes(range(256))
    decoder = av.CodecContext.create(f"pcm_{coding}", "r")
    decoder.sample_rate, decoder.layout = 16000, "mono"
    expected = decoder.decode(av.Packet(every))[0].to_ndarray()[0]
    assert np.array_equal(decode(AudioFormat(Coding[coding.upper()], 16000, 1), [every]), expected)


@pytest.mark.parametrize(
    ("content_type", "data", "named"),
    [
        ("audio/ogg;codecs=opus", b"RIFF" + b"\0" * 100, "no Ogg stream"),
        ("audio/ogg;codecs=opus", STREAMS["audio/ogg;codecs=opus"].replace(b"OpusHead", b"Speex   "), "no Opus"),
        ("audio/ogg;codecs=opus", b"OggS\1" + b"\0" * 100, "version 1"),
        ("audio/webm;codecs=opus", STREAMS["audio/ogg;codecs=opus"], "no WebM stream"),
        ("audio/flac", STREAMS["audio/webm;codecs=opus"], "no FLAC stream"),
        ("audio/flac", STREAMS["audio/flac"][:9000] + b"\0" * (1 << 21), "damaged"),
        ("audio/flac", b"fLaC" + b"\0\0\0\x22" + bytes(34) + b"\x84\0\0\0", "rate"),
    ],
)
def test_what_is_not_the_named_format_is_said_so_in_a_close_frame(content_type: str, data: bytes, named: str) -> None:
    request = StreamRequest(audio=parse_content_type(content_type))
    stream = ServerStream(request, feed_of(request.audio))
    assert isinstance(stream.receive_binary(data), bytes)
    while stream.has_more:
        stream.more()
    assert stream.close is not None
    assert stream.close.code == 1007
    assert stream.close.reason.startswith("400 ")
    assert named in stream.close.reason
    assert stream.receive_binary(b"") == b""


@settings(deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.integers(0, 3000), st.binary(min_size=1, max_size=60))
def test_damaged_bytes_decode_or_are_refused(content_type: str, at: int, noise: bytes) -> None:
    data = bytearray(STREAMS[content_type][:6000])
    data[at : at + len(noise)] = noise
    try:
        decode(parse_content_type(content_type), cut(bytes(data), [1000]))
    except FormatError as error:
        assert len(str(error)) < 80


def drain(feed: Feed) -> list[bytes]:
    pieces = []
    while not feed.is_empty:
        pieces.append(feed.take())
    return pieces


def bomb() -> bytes:
    """Ogg pages whose packets of 2 bytes each say 120 ms of silence: 4.7 hours in 1 MiB."""
    opus = STREAMS["audio/ogg;codecs=opus"]
    serial = opus[14:18]
    page = b"OggS\0\0" + bytes(8) + serial + bytes(8) + bytes([120]) + b"\2" * 120 + b"\x1b\2" * 120
    head = opus[: opus.index(b"OggS", opus.index(b"OpusTags"))]
    return head + page * 100


def test_a_message_with_hours_of_audio_is_decoded_a_second_at_a_time() -> None:
    feed = feed_of(parse_content_type("audio/ogg;codecs=opus"))
    assert feed is not None
    feed.push(bomb())
    for _ in range(20):
        assert len(feed.take()) <= (PIECE_SECONDS + 0.2) * 32000
    assert not feed.is_empty


def test_a_feed_gives_everything_and_then_what_the_decoder_held() -> None:
    for content_type, data in STREAMS.items():
        audio = parse_content_type(content_type)
        feed = feed_of(audio)
        assert feed is not None
        for piece in cut(data, [3, 5000, 70000]):
            feed.push(piece)
        feed.end()
        assert b"".join(drain(feed)) == decode(audio, [data]).tobytes()
        assert feed.is_empty


def test_the_end_comes_once_and_behind_all_samples() -> None:
    request = StreamRequest(audio=parse_content_type("audio/flac"))
    stream = ServerStream(request, feed_of(request.audio))
    taken = [stream.receive_binary(STREAMS["audio/flac"]), stream.receive_binary(b""), stream.receive_binary(b"")]
    while stream.has_more:
        taken.append(stream.more())
    assert taken.index(END) == len(taken) - 1
    assert len(b"".join(part for part in taken if isinstance(part, bytes))) == 2 * len(TONE_16K)


def test_a_mark_stands_between_the_samples_before_and_behind_it() -> None:
    audio = parse_content_type("audio/x-mulaw;channels=1;rate=8000")
    request = StreamRequest(audio=audio, flush=True)
    stream = ServerStream(request, feed_of(audio))
    taken: list[object] = [stream.receive_binary(bytes(20_000)), stream.receive_text(b"flush")]
    taken.append(stream.receive_binary(bytes(8000)))
    taken.append(stream.receive_binary(b""))
    while stream.has_more:
        taken.append(stream.more())
    before, behind = taken[: taken.index(FLUSH)], taken[taken.index(FLUSH) + 1 :]
    # The resampler holds 4 ms back.
    assert 40_000 - 64 <= sum(len(part) for part in before if isinstance(part, bytes)) // 2 <= 40_000
    assert behind[-1] is END
    assert sum(len(part) for part in [*before, *behind] if isinstance(part, bytes)) == 2 * 2 * 28_000


def test_the_models_own_format_has_no_feed() -> None:
    assert feed_of(StreamRequest().audio) is None
