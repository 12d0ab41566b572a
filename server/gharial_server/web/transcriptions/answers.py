"""A finished transcription in the form that was asked for, and a running one as server-sent events."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse
from gharial_wire.answers import Word

from gharial_server.web.transcriptions.form import Wanted
from gharial_server.web.transcriptions.subtitles import Segment, segments, srt, vtt

IGNORED_HEADER = "X-Gharial-Ignored"


@dataclass(frozen=True)
class Transcription:
    """What was said. duration: seconds of audio."""

    text: str
    words: tuple[Word, ...]
    duration: float
    language: str

    @property
    def usage(self) -> dict[str, object]:
        """What OpenAI's clients count: whole seconds."""
        return {"type": "duration", "seconds": math.ceil(self.duration)}


def answer(said: Transcription, wanted: Wanted) -> Response:
    """The HTTP answer to a transcription that is complete."""
    headers = ignored_header(wanted)
    match wanted.response_format:
        case "text":
            return PlainTextResponse(f"{said.text}\n", headers=headers)
        case "srt":
            return PlainTextResponse(srt(segments(said.words)), headers=headers)
        case "vtt":
            return PlainTextResponse(vtt(segments(said.words)), headers=headers, media_type="text/vtt")
        case "verbose_json":
            return JSONResponse(_verbose(said, wanted.granularities), headers=headers)
        case "json":
            return JSONResponse({"text": said.text, "usage": said.usage}, headers=headers)


def ignored_header(wanted: Wanted) -> dict[str, str]:
    """Names the fields that changed nothing."""
    return {IGNORED_HEADER: ", ".join(wanted.ignored)} if wanted.ignored else {}


def delta(text: str) -> bytes:
    """The event of further text."""
    return _event({"type": "transcript.text.delta", "delta": text})


def done(said: Transcription) -> bytes:
    """The event of the whole text, the last one."""
    return _event({"type": "transcript.text.done", "text": said.text, "usage": said.usage})


def failed(body: dict[str, object]) -> bytes:
    """The event of an error behind which nothing comes."""
    return _event({"type": "error", **body})


def _event(fields: dict[str, object]) -> bytes:
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()


def _verbose(said: Transcription, granularities: frozenset[str]) -> dict[str, object]:
    body: dict[str, object] = {
        "task": "transcribe",
        "language": said.language,
        "duration": round(said.duration, 3),
        "text": said.text,
    }
    if "word" in granularities:
        body["words"] = [_word(word) for word in said.words]
    if "segment" in granularities:
        body["segments"] = [_segment(n, part) for n, part in enumerate(segments(said.words))]
    return {**body, "usage": said.usage}


def _word(word: Word) -> dict[str, object]:
    return {
        "word": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": round(word.confidence, 4),
    }


def _segment(number: int, part: Segment) -> dict[str, object]:
    """The last three fields are constants: clients expect them, and nothing here is like them."""
    return {
        "id": number,
        "seek": 0,
        "start": round(part.start, 3),
        "end": round(part.end, 3),
        "text": part.text,
        "temperature": 0.0,
        "avg_logprob": round(math.log(max(part.confidence, 1e-30)), 4),
        "tokens": [],
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }


def joined(texts: Sequence[str]) -> str:
    """The transcript that finals make."""
    return "".join(texts).strip()
