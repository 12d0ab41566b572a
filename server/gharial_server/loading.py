"""From settings to an engine that runs: obtain the checkpoint, check it, compile it once, load it."""

import logging
import os
from pathlib import Path

from gharial_wire.models import ModelIdentity

from gharial_server.checkpoints import CheckpointError, LocalCheckpoint, locked, obtain
from gharial_server.engine.interface import Engine, ModelInfo, Observer
from gharial_server.null_engine import NullEngine
from gharial_server.settings import Settings

log = logging.getLogger(__name__)

NULL_CAPACITY = 4096
# Where a claimed card is reached; the container gets it with the claim.
CARD_SOCKET_VARIABLE = "GHARIAL_CARD_SOCKET"


def load_engine(settings: Settings, observer: Observer) -> Engine:
    """Obtains and loads the model; runs on a thread of its own, for seconds or minutes.

    Raises CheckpointError when the checkpoint cannot be had, ValueError or OSError when model or card are unusable.
    """
    identity = settings.identity
    if settings.backend == "null":
        return _null_engine(identity, settings.capacity, observer)
    # torch is imported here, on the loading thread, so that the ports answer within a second of the start.
    from gharial_server.engine.backends import BackendSettings
    from gharial_server.engine.build import build_engine

    assert settings.checkpoint is not None
    checkpoint = obtain(settings.checkpoint, settings.sha256, settings.cache)
    backend = BackendSettings(
        model=compiled(checkpoint, settings.cache),
        capacity=settings.capacity,
        threads=settings.threads,
        card_socket=_card_socket(settings.backend),
        recognition=settings.recognition,
    )
    engine = build_engine(settings.backend, backend, identity.name, identity.version, identity.language, observer)
    try:
        engine.keyword_rules.check(settings.keywords)
    except ValueError:
        engine.stop()
        raise
    return engine


def compiled(checkpoint: LocalCheckpoint, cache: Path) -> Path:
    """The int8 artefact of a checkpoint: the file itself if it is one, else compiled once into CACHE/<sha256>/."""
    from gharial_asr.artefact import FORMAT_VERSION, looks_like_artefact, write_artefact
    from gharial_asr.checkpoint import load_hardware_checkpoint
    from gharial_asr.compilation import compile_checkpoint

    if looks_like_artefact(checkpoint.path):
        return checkpoint.path
    artefact = cache / checkpoint.sha256 / f"compiled-{FORMAT_VERSION}.gharial"
    if artefact.is_file():
        return artefact
    try:
        with locked(cache / "locks" / f"{checkpoint.sha256}-compile"):
            if not artefact.is_file():
                artefact.parent.mkdir(parents=True, exist_ok=True)
                write_artefact(compile_checkpoint(load_hardware_checkpoint(checkpoint.path), "int8"), artefact)
                log.info("checkpoint compiled", extra={"path": str(artefact)})
    except OSError as error:
        raise CheckpointError(
            "CacheUnwritable", f"{cache} cannot be written ({error}); give another --cache"
        ) from error
    return artefact


def _null_engine(identity: ModelIdentity, capacity: int | None, observer: Observer) -> NullEngine:
    info = ModelInfo(identity.name, identity.version, identity.language, "", "null")
    return NullEngine(info, capacity or NULL_CAPACITY, observer)


def _card_socket(backend: str) -> Path | None:
    if backend != "card":
        return None
    path = os.environ.get(CARD_SOCKET_VARIABLE)
    if not path:
        raise ValueError(f"--backend card needs a claimed card, but {CARD_SOCKET_VARIABLE} is not set; claim one")
    return Path(path)
