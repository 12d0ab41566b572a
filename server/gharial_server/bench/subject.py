"""What is measured: a runner on a real model, or on random weights that speak as often as a trained model does.

Shapes: B streams, S encoder inputs of a step, F input features, R rows that ask the joint, J joint size, K classes.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.compilation import Arithmetic, load_model
from gharial_asr.config import RnntConfig
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.device.placing import cuda_device
from gharial_asr.device.runner import DeviceModel
from gharial_asr.emissions import Emissions
from gharial_asr.inference.dense import DenseMaker, Weight, dense
from gharial_asr.inference.network import Network, NetworkWeights
from gharial_asr.lanes import LaneRunner
from gharial_asr.resets import ResetSettings
from gharial_asr.runner import Batch, LocalRunner, Runner
from torch import Tensor

from gharial_server.bench.settings import BenchSettings

SPEECH = 0.2
"""Share of the joint's questions that a token answers. In one frame of five the prediction network runs and the joint
is asked again: about four tokens a second, as many as English takes at 8703 pieces."""

# The blank's logit when it is to lose or to win, far outside of what random weights give.
CERTAIN = 1e4
# Random weights give logits so close together that no decoder would be sure of anything; with output weights times this
# they are as far apart as a trained model's.
SURENESS = 6.0
# The digits of an encoder output that lots are drawn from: far enough behind the point to be as good as random.
LOT_DIGITS = 9973.0


class SpeakingNetwork(Network):
    """A network with random weights whose blank loses by lot. Everything is computed as ever, and then the blank's
    logit is overwritten.

    The lot of a frame is drawn from the encoder's output, another for every token after, so that all hypotheses about a
    frame agree whether something was said in it.
    """

    def __init__(self, config: RnntConfig, weights: NetworkWeights, make: DenseMaker = dense) -> None:
        super().__init__(config, weights, make)
        self._round = 0

    def encode(self, x_BSF: Tensor, pre: tuple[Tensor, Tensor], post: tuple[Tensor, Tensor]) -> Tensor:
        self._round = 0
        return super().encode(x_BSF, pre, post)

    def logits(self, f_RJ: Tensor, g_RJ: Tensor) -> Tensor:
        logits_RK = super().logits(f_RJ, g_RJ)
        speaks_R = (f_RJ[:, self._round] * LOT_DIGITS).remainder(1.0) < SPEECH
        logits_RK[:, self.config.blank] = torch.where(speaks_R, -CERTAIN, CERTAIN)
        self._round = (self._round + 1) % f_RJ.shape[1]
        return logits_RK


class Measured(Runner, Protocol):
    """A runner that knows the size of its states."""

    @property
    def bytes_per_stream(self) -> int:
        """Memory of one stream's state."""


class Weights(Protocol):
    """A model that is loaded, of which runners are made."""

    @property
    def step_samples(self) -> int:
        """Samples in one step of its runners."""

    def with_slots(self, slots: int) -> Measured:
        """A runner with a number of slots, all closed."""


class CountingRunner:
    """Implements `Runner` by another one; counts rows, and the tokens that were settled."""

    def __init__(self, runner: Measured) -> None:
        self._runner = runner
        self.slots, self.step_samples = runner.slots, runner.step_samples
        self.bytes_per_stream = runner.bytes_per_stream
        self.preparing, self.open = runner.preparing, runner.open
        self.free, self.close = runner.free, runner.close
        self.rows = self.tokens = 0

    def step(self, batch: Batch) -> Emissions:
        emissions = self._runner.step(batch)
        self.rows += len(emissions.settled.counts)
        self.tokens += len(emissions.settled.tokens)
        return emissions


class SpeakingRunner(LocalRunner):
    """A runner on this machine's processor for random weights."""

    network_class = SpeakingNetwork


class SpeakingDevice(DeviceModel):
    """A model on a device with random weights."""

    network_class = SpeakingNetwork


@dataclass(frozen=True)
class Subject:
    """A model that is loaded, and what to call it and the device it is on."""

    name: str
    precision: str
    device: str
    random_weights: bool
    model: Weights
    pieces: tuple[str, ...]
    resets: ResetSettings | None

    def for_streams(self, streams: int) -> tuple[Runner, CountingRunner]:
        """A runner for so many streams, and the one inside it that computes (the same without state resets)."""
        if self.resets is None:
            runner = CountingRunner(self.model.with_slots(streams))
            return runner, runner
        inner = CountingRunner(self.model.with_slots(2 * streams))
        steps = self.resets.steps(inner.step_samples / 16000)
        return LaneRunner(inner, self.pieces, steps), inner

    @property
    def lanes(self) -> int:
        """Slots of the runner behind that one stream has."""
        return 1 if self.resets is None else 2

    @property
    def spread_seconds(self) -> float:
        """Streams that begin within so long are at every place of a segment."""
        return 0.0 if self.resets is None else self.resets.segment_seconds - self.resets.overlap_seconds


def subject(settings: BenchSettings) -> Subject:
    """Loads or makes the model. Raises ValueError, CheckpointError, ArtefactError, OSError."""
    config = ARCHITECTURES.get(settings.model)
    device = cuda_device() if settings.backend == "cuda" else torch.device("cpu")
    if config is not None:
        made: Arithmetic = _surer(random_model(config, settings.precision))
        name, pieces = settings.model, made.pieces
    else:
        path = model_file(settings.model)
        made = load_model(path, settings.precision)
        name, pieces = path.stem, made.pieces
    resets = ResetSettings() if settings.resets else None
    called = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    weights = _weights(settings, made, device, speaking=config is not None)
    return Subject(name, settings.precision, called, config is not None, weights, pieces, resets)


def _weights(settings: BenchSettings, model: Arithmetic, device: torch.device, speaking: bool) -> Weights:
    decoder = DecoderSettings(settings.decoder)
    if settings.backend == "cuda":
        return (SpeakingDevice if speaking else DeviceModel)(model, device, settings.precision, decoder)
    return (SpeakingRunner if speaking else LocalRunner)(model, 1, decoder)


def _surer(model: Arithmetic) -> Arithmetic:
    """The model with the joint's logits further apart."""
    output = model.weights.joint_output
    weight = output.weight
    if isinstance(weight, Tensor):
        spread: Weight = weight * SURENESS
    else:
        spread = replace(weight, scale=weight.scale * SURENESS)
    return replace(model, weights=replace(model.weights, joint_output=replace(output, weight=spread)))


def model_file(model: str) -> Path:
    """The file that --arch names. Raises ValueError."""
    path = Path("models/starter/starter.gharial") if model == "starter" else Path(model)
    if not path.is_file():
        known = ", ".join(ARCHITECTURES)
        raise ValueError(
            f"{path} is not there; --arch takes {known}, the file of a checkpoint or artefact, or starter, "
            "the model in the repository, from the repository's folder"
        )
    return path
