"""From settings to an engine that runs: obtain the checkpoint, check it, load it."""

from gharial_server.engine.interface import Engine, ModelInfo, Observer
from gharial_server.null_engine import NullEngine
from gharial_server.settings import Settings

NULL_CAPACITY = 4096


def load_engine(settings: Settings, observer: Observer) -> Engine:
    """Obtains and loads the model; runs on a thread of its own, for seconds or minutes.

    Raises CheckpointError when the checkpoint cannot be had, ValueError when it is no usable model.
    """
    identity = settings.identity
    info = ModelInfo(identity.name, identity.version, identity.language, "", settings.backend)
    return NullEngine(info, settings.capacity or NULL_CAPACITY, observer)
