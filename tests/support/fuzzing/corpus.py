"""Where a target's inputs begin: valid ones that are made here, and found ones that are kept as regressions."""

from pathlib import Path

import numpy as np
from gharial_server.bench.encoding import encode, speechlike

from fuzzing.targets import CONTENT_TYPES

FOUND = Path(__file__).resolve().parents[2] / "wire/corpus"
_PATH = "/asr/v0.1/stream?"
_REQUESTS = (
    "content_type=audio/x-raw;format=S16LE;channels=1;rate=16000",
    "content_type=audio/x-raw%3Bformat%3DMULAW%3Bchannels%3D2%3Brate%3D8000&channel=2",
    "content_type=audio/ogg;codecs=opus&model=general&version=v1&lang=en-GB",
    "alternatives=100&words=true&pauses=0.8&api_key=k",
    "keywords=gharial:1.5,river%20bank:-2,caf%C3%A9",
)
_ANSWERS = (
    b'{"start": 0.0, "end": 2.0, "is_provisional": false, "alternatives": [{"transcript": "hi", "confidence": 1.0}]}',
    b'{"start":0,"end":1e3,"is_provisional":true,"alternatives":[{"transcript":"\\u0041\\ud83d"}],"endpoint":"eos"}',
    b'{"start": 1, "end": 2, "is_provisional": false, "alternatives": [{"transcript": " a", "confidence": 1, "words": '
    b'[{"word": "a", "start": 1, "end": 2, "confidence": 0.5}]}]}',
)


def seeds(target: str) -> list[bytes]:
    """Valid inputs of a target, and what was found."""
    made: list[bytes] = []
    if target == "request":
        made = [(_PATH + query).encode() for query in _REQUESTS]
    elif target == "answer":
        made = list(_ANSWERS)
    elif target == "stream":
        made = [b"w" + bytes([0, 200, 7, 6, 0, 7, 6, 6, 0, 0, 255, 6]), b"p" + bytes([1, 3, 1, 3, 4, 0, 7, 9])]
    else:
        made = _recordings()
    return made + [path.read_bytes() for path in found(target)]


def found(target: str) -> list[Path]:
    """Inputs that once broke a promise."""
    return sorted((FOUND / target).glob("*"))


def _recordings() -> list[bytes]:
    made = []
    for number, name in enumerate(CONTENT_TYPES):
        if "opus" in name:
            audio = encode(speechlike(0.3, 48000)[None], 48000, name.split("/")[1].split(";")[0], "libopus")
        elif "flac" in name:
            audio = encode(speechlike(0.2, 16000)[None], 16000, "flac", "flac")
        else:
            audio = (np.arange(480) * 37 % 251).astype(np.uint8).tobytes()
        made.append(bytes([number, 63]) + audio)
    return made
