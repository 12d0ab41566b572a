"""The form of a transcription, for the OpenAPI page: it is read by hand, so that its size is bounded while it comes."""

from typing import Any

from gharial_server.web.transcriptions.form import FORMATS

_FIELDS: dict[str, Any] = {
    "file": {"type": "string", "format": "binary", "description": "WAV, FLAC, MP3, Ogg, WebM, MP4, AAC"},
    "model": {"type": "string", "description": "what is served here (the default); see /v1/models"},
    "language": {"type": "string", "description": "BCP 47; another than the model's is refused"},
    "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "timestamp_granularities[]": {
        "type": "array",
        "items": {"type": "string", "enum": ["word", "segment"]},
        "description": "what verbose_json tells of (segment)",
    },
    "stream": {"type": "boolean", "default": False, "description": "answer with server-sent events as words come"},
    "keywords": {"type": "string", "description": "phrase:boost,phrase:boost: what to hear more readily, or less"},
    "prompt": {"type": "string", "description": "changes nothing here; named in X-Gharial-Ignored"},
    "temperature": {"type": "number", "description": "changes nothing here; named in X-Gharial-Ignored"},
}

_ERRORS = {
    "400": "the form or the audio is wrong",
    "401": "the key is missing or not known",
    "404": "the model is not served here",
    "413": "the file is too large or the recording too long",
    "429": "the key's streams are all in use",
    "503": "no place is free, or the server is not ready: try again after Retry-After seconds",
}

TRANSCRIPTION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": _FIELDS}}},
    },
    "responses": {status: {"description": why} for status, why in _ERRORS.items()},
}
