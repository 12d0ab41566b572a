"""Clients written from the text of the CAIMAN-ASR documentation alone, against the real server and the starter model.

None of them shares code with the server or its client: one uses the library that the documentation's example uses,
one nothing but a socket. What they hear is word for word what the same recording gives offline.
"""

import base64
import hashlib
import io
import json
import os
import socket
import struct
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile
import websocket
from browsed_page import Server, serving

MODELS = Path(__file__).resolve().parents[2] / "models/starter"
PATH = "/asr/v0.1/stream?content_type=audio/x-raw;format=S16LE;channels=1;rate=16000"
# The messages that the documentation recommends: 60 ms.
FRAME_BYTES = 1920


def by_library(port: int, audio: bytes) -> list[dict[str, Any]]:
    """All responses: connect, send frames, send a blank one, receive until the server closes."""
    client = websocket.WebSocket()
    client.connect(f"ws://localhost:{port}{PATH}", timeout=30)
    for at in range(0, len(audio), FRAME_BYTES):
        client.send(audio[at : at + FRAME_BYTES], websocket.ABNF.OPCODE_BINARY)
    client.send("", websocket.ABNF.OPCODE_BINARY)
    responses = []
    while True:
        opcode, data = client.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            assert struct.unpack("!H", data[:2]) == (1000,)
            return responses
        assert opcode == websocket.ABNF.OPCODE_TEXT
        responses.append(json.loads(data))


def by_socket(port: int, audio: bytes) -> list[dict[str, Any]]:
    """The same with the handshake as printed, the subprotocol offered, and the WAV file's header sent as audio does."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    with socket.create_connection(("localhost", port), timeout=30) as connection:
        connection.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: api.myrtle.ai\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: stream.asr.api.myrtle.ai\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        stream = connection.makefile("rb")
        head = b"".join(iter(stream.readline, b"\r\n")).decode()
        assert head.startswith("HTTP/1.1 101 ")
        assert f"Sec-WebSocket-Accept: {accept}" in head
        assert "Sec-WebSocket-Protocol: stream.asr.api.myrtle.ai" in head
        for at in range(0, len(audio), 3200):  # 100 ms
            connection.sendall(masked(audio[at : at + 3200]))
        connection.sendall(masked(b""))
        responses = []
        while True:
            opcode, length = stream.read(2)
            if length == 126:
                (length,) = struct.unpack("!H", stream.read(2))
            data = stream.read(length)
            if opcode == 0x88:
                assert data[:2] == struct.pack("!H", 1000)
                return responses
            assert opcode == 0x81
            responses.append(json.loads(data))


def masked(payload: bytes) -> bytes:
    """A binary frame as a client must send it."""
    key = os.urandom(4)
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack("!BH", 0x80 | 126, len(payload))
    return b"\x82" + size + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def wav(audio: bytes) -> bytes:
    """S16LE at 16 kHz, mono, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 16000, 0, "NONE", ""))
        written.writeframes(audio)
    return file.getvalue()


@dataclass(frozen=True)
class Said:
    """What was sent and what it says offline."""

    audio: bytes
    transcript: str


@dataclass(frozen=True)
class Served:
    """A server, and by client what is sent to it: digits that people spoke. The published benchmark client sends the
    WAV file as it is, header and all; the one with a socket does the same."""

    server: Server
    decoder: str
    said: dict[Callable[[int, bytes], list[dict[str, Any]]], Said]


@pytest.fixture(scope="module", params=["greedy", "beam"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    samples, rate = soundfile.read(MODELS / "samples/digits.flac", dtype="int16")
    assert rate == 16000
    sent = {by_library: samples.tobytes(), by_socket: wav(samples.tobytes())}
    transcripts = offline(list(sent.values()), request.param, tmp_path_factory.mktemp("offline"))
    said = {
        client: Said(*pair) for client, pair in zip(sent, zip(sent.values(), transcripts, strict=True), strict=True)
    }
    with serving("--checkpoint", str(MODELS / "starter.gharial"), "--decoder", request.param) as server:
        yield Served(server, request.param, said)


def offline(recordings: list[bytes], decoder: str, folder: Path) -> list[str]:
    """What `gharial transcribe` says of the same samples."""
    paths = [folder / f"{number}.wav" for number in range(len(recordings))]
    for path, audio in zip(paths, recordings, strict=True):
        path.write_bytes(wav(audio))
    words = [sys.executable, "-m", "gharial_cli", "transcribe", *map(str, paths), "--json", "--decoder", decoder]
    words += ["--checkpoint", str(MODELS / "starter.gharial")]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return [json.loads(line)["transcript"] for line in told.splitlines()]


@pytest.mark.parametrize("client", [by_library, by_socket])
def test_a_published_client_hears_word_for_word_what_offline_decoding_gives(
    served: Served, client: Callable[[int, bytes], list[dict[str, Any]]]
) -> None:
    said = served.said[client]
    responses = client(served.server.port, said.audio)
    finals = [response for response in responses if not response["is_provisional"]]
    transcript = "".join(final["alternatives"][0]["transcript"] for final in finals)
    assert transcript.strip() == said.transcript.strip()
    assert len(transcript.split()) > 10
    # One for every 60 ms of audio at least, with words or without.
    assert len(responses) >= len(said.audio) // FRAME_BYTES
    assert any(response["is_provisional"] for response in responses) == (served.decoder == "beam")
    assert responses[-1]["is_provisional"] is False
    assert all(set(response) == {"start", "end", "is_provisional", "alternatives"} for response in responses)


def test_finals_follow_each_other_and_no_alternative_comes_unasked(served: Served) -> None:
    ended = 0.0
    for response in by_library(served.server.port, served.said[by_library].audio):
        if not response["is_provisional"]:
            assert response["start"] >= ended
            ended = response["end"]
        assert len(response["alternatives"]) == 1
