"""What a transcription is asked for: the fields of the form, checked."""

from dataclasses import dataclass
from typing import Literal, get_args

from gharial_wire.models import ModelIdentity, check_model
from gharial_wire.request import RequestError, StreamRequest, parse_keywords, parse_language
from starlette.datastructures import FormData, UploadFile

from gharial_server.web.transcriptions.errors import ApiError

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
FORMATS: tuple[ResponseFormat, ...] = get_args(ResponseFormat)
_GRANULARITIES = ("word", "segment")
_OBEYED = {"file", "model", "language", "response_format", "stream", "timestamp_granularities[]", "keywords"}


@dataclass(frozen=True)
class Wanted:
    """One transcription. ignored: fields that were sent and change nothing here."""

    file: UploadFile
    request: StreamRequest
    response_format: ResponseFormat
    granularities: frozenset[str]
    is_streamed: bool
    ignored: tuple[str, ...]


def read_wanted(form: FormData, served: ModelIdentity) -> Wanted:
    """Checks a form. Raises ApiError that names the field and what it may be."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ApiError(400, "missing_file", "file is missing; send the recording as multipart/form-data", "file")
    model = _text(form, "model")
    if model not in (None, served.name):
        message = f"the model {model!r} does not exist here; served is {served.name}"
        raise ApiError(404, "model_not_found", message, "model")
    is_streamed = _choice(form, "stream", ("true", "false"), "false") == "true"
    response_format = _format(form)
    if is_streamed and response_format not in ("json", "text"):
        message = f"response_format {response_format} cannot be streamed; give json"
        raise ApiError(400, "invalid_value", message, "response_format")
    granularities = frozenset(str(value) for value in form.getlist("timestamp_granularities[]"))
    if wrong := granularities.difference(_GRANULARITIES):
        message = f"timestamp_granularities has {', '.join(sorted(wrong))}; give word, segment or both"
        raise ApiError(400, "invalid_value", message, "timestamp_granularities")
    return Wanted(
        file,
        _request(form, served),
        response_format,
        granularities or frozenset({"segment"}),
        is_streamed,
        tuple(sorted(form.keys() - _OBEYED)),
    )


def _request(form: FormData, served: ModelIdentity) -> StreamRequest:
    try:
        language = parse_language(_text(form, "language") or None, "language")
        request = StreamRequest(language=language, keywords=parse_keywords(_text(form, "keywords") or ""))
        check_model(request, served)
    except RequestError as error:
        raise ApiError(400, "invalid_value", str(error)) from error
    return request


def _format(form: FormData) -> ResponseFormat:
    given = _choice(form, "response_format", FORMATS, "json")
    return next(each for each in FORMATS if each == given)


def _choice(form: FormData, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = (_text(form, name) or default).lower()
    if value not in allowed:
        message = f"{name} is {value[:40]!r}; give one of {', '.join(allowed)}"
        raise ApiError(400, "invalid_value", message, name)
    return value


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    if isinstance(value, UploadFile):
        raise ApiError(400, "invalid_value", f"{name} is a file; send it as a plain field", name)
    return value
