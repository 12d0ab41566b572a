"""Which model a stream gets: the one that is loaded, if it is what the client asked for."""

from dataclasses import dataclass

from gharial_wire.request import LATEST, RequestError, StreamRequest


@dataclass(frozen=True)
class ModelIdentity:
    """What a server has loaded, in the words clients ask for it."""

    name: str = "general"
    version: str = "v1"
    language: str = "en"


def check_model(request: StreamRequest, loaded: ModelIdentity) -> None:
    """Raises RequestError (400) when the request names a model, version or language that is not loaded.

    A parameter that was left out matches whatever is loaded. A language matches as in RFC 4647 lookup:
    en-GB finds a model for en, en does not find one for en-GB.
    """
    if request.model not in {None, loaded.name}:
        raise RequestError(400, f"model {request.model} is not served here; served is {loaded.name}")
    if request.version not in {LATEST, loaded.version}:
        raise RequestError(
            400, f"version {request.version} of model {loaded.name} is not served here; served is {loaded.version}"
        )
    if request.language is not None and not _language_finds(request.language, loaded.language):
        raise RequestError(
            400, f"lang {request.language} is not served by model {loaded.name}; served is {loaded.language}"
        )


def _language_finds(wanted: str, served: str) -> bool:
    wanted, served = wanted.lower(), served.lower()
    return wanted == served or wanted.startswith(served + "-")
