"""From settings to an engine that runs."""

from gharial_server.engine.backends import BackendSettings, backend
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import Engine, ModelInfo, Observer


def build_engine(
    name: str,
    settings: BackendSettings,
    model_name: str,
    model_version: str,
    language: str,
    observer: Observer | None = None,
) -> Engine:
    """Loads the model on the backend called `name` and starts the engine. Takes seconds.

    Raises ValueError (no such backend, no usable model, a refusal of the card, whose message names code and remedy)
    and OSError (no file, no card).
    """
    loaded = backend(name)(settings)
    info = ModelInfo(model_name, model_version, language, loaded.digest, name)
    endpointing = settings.recognition.endpointing
    return BatchingEngine(loaded.runner, loaded.pieces, info, observer, endpointing)
