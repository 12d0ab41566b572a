"""Where the arithmetic runs. A backend turns settings into a runner; a driver can add one by the entry point group
`gharial.engines`, whose members are functions like those here."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from gharial_asr.recognition import PLAIN, Recognition
from gharial_asr.runner import Runner

from gharial_server.engine.interface import SAMPLE_RATE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackendSettings:
    """model: checkpoint or artefact. capacity None: what the backend can do. card_socket: of a claimed card.
    recognition: how streams are decoded."""

    model: Path
    capacity: int | None = None
    threads: int = 1
    card_socket: Path | None = None
    recognition: Recognition = PLAIN


@dataclass(frozen=True)
class Loaded:
    """A runner with the model loaded. pieces: the text of each token. digest: sha256 of the model's file."""

    runner: Runner
    pieces: tuple[str, ...]
    digest: str


Backend = Callable[[BackendSettings], Loaded]


def cpu(settings: BackendSettings) -> Loaded:
    """int8 on this machine's processor. Without a capacity, takes a second to measure what it carries."""
    import torch
    from gharial_asr.building import with_recognition
    from gharial_asr.compilation import load_model
    from gharial_asr.runner import LocalRunner

    from gharial_server.engine.capacity import LARGE, measure_capacity

    torch.set_num_threads(settings.threads)
    model = load_model(settings.model, "int8")
    runner, capacity = LocalRunner(model, 1, settings.recognition.decoder), settings.capacity
    if capacity is None:
        seconds = runner.step_samples / SAMPLE_RATE
        rows = settings.recognition.rows_per_stream(seconds)
        capacity = max(1, int(measure_capacity(runner.with_slots(LARGE), seconds) / rows))
        log.info("this processor carries %d streams in real time", capacity)
    return Loaded(with_recognition(runner, model, capacity, settings.recognition), model.tokenizer.pieces, model.digest)


def card(settings: BackendSettings) -> Loaded:
    """A card behind its socket. Raises CardError when it refuses, OSError when it is not there."""
    from gharial_asr.artefact import read_artefact

    from gharial_server.engine.card import CardRunner

    if settings.card_socket is None:
        raise ValueError("no card: set GHARIAL_CARD_SOCKET, as a claimed card's device does, to the card's socket")
    runner = CardRunner(settings.card_socket, settings.model, settings.capacity, settings.recognition)
    return Loaded(runner, read_artefact(settings.model).tokenizer.pieces, runner.digest)


def cuda(settings: BackendSettings) -> Loaded:
    """bfloat16 on this process's GPU; see `gharial_server.engine.gpu`."""
    from gharial_server.engine import gpu

    return gpu.cuda(settings)


BUILT_IN: dict[str, Backend] = {"card": card, "cpu": cpu, "cuda": cuda}


def backend(name: str) -> Backend:
    """A built-in backend or an installed driver's. Raises ValueError with the names there are."""
    installed = entry_points(group="gharial.engines")
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name in installed.names:
        found: Backend = installed[name].load()
        return found
    raise ValueError(f"no backend {name!r}; there are {', '.join(sorted({*BUILT_IN, *installed.names}))}")
