"""What is measured: a runner on a real model, or on random weights that speak as often as a trained model does.

Shapes: B rows that ask the joint, K inputs of a product, C classes.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from gharial_asr.architectures import ARCHITECTURES, random_model
from gharial_asr.compilation import Arithmetic, load_model
from gharial_asr.emissions import Emissions
from gharial_asr.inference.dense import Dense, Int8Weight, Weight
from gharial_asr.runner import Batch, LocalRunner
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


class DrawnBlank:
    """The joint's last product of a network with random weights, whose blank loses by lot. Everything else, the
    product with all classes included, is computed as ever."""

    def __init__(self, product: Dense, blank: int) -> None:
        self._product = product
        self._blank = blank
        self._lots = torch.Generator().manual_seed(1)

    def __call__(self, x_BK: Tensor) -> Tensor:
        logits_BC = self._product(x_BK)
        speaks_B = torch.rand(len(logits_BC), generator=self._lots) < SPEECH
        logits_BC[:, self._blank] = torch.where(speaks_B, -CERTAIN, CERTAIN)
        return logits_BC


class CountingRunner(LocalRunner):
    """Counts frames, and the tokens that were settled."""

    frames = 0
    tokens = 0

    def step(self, batch: Batch) -> Emissions:
        emissions = super().step(batch)
        self.frames += len(emissions.settled.counts)
        self.tokens += len(emissions.settled.tokens)
        return emissions

    def speak(self) -> None:
        """Lets random weights emit."""
        network = self._network
        network.joint_output = DrawnBlank(network.joint_output, network.config.blank)


@dataclass(frozen=True)
class Subject:
    """A runner, the text of its tokens, and what to call it."""

    name: str
    precision: str
    random_weights: bool
    runner: CountingRunner
    pieces: tuple[str, ...]


def subject(settings: BenchSettings, slots: int) -> Subject:
    """Loads or makes the model. Raises ValueError, CheckpointError, ArtefactError, OSError."""
    config = ARCHITECTURES.get(settings.model)
    if config is not None:
        made = _surer(random_model(config, settings.precision))
        runner = CountingRunner(made, slots)
        runner.speak()
        return Subject(settings.model, settings.precision, True, runner, made.pieces)
    path = model_file(settings.model)
    model = load_model(path, settings.precision)
    return Subject(path.stem, model.precision, False, CountingRunner(model, slots), model.pieces)


def _surer(model: Arithmetic) -> Arithmetic:
    """The model with the joint's logits further apart."""
    output = model.weights.joint_output
    weight = output.weight
    if isinstance(weight, Int8Weight):
        spread: Weight = replace(weight, scale=weight.scale * SURENESS)
    else:
        spread = weight * SURENESS
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
