"""From a hardware checkpoint to what the engine runs: matrices joined and, for int8, quantised."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from gharial_asr.checkpoint import HardwareCheckpoint, Ngram
from gharial_asr.config import RnntConfig
from gharial_asr.inference.dense import Int8Weight, quantise_weight
from gharial_asr.inference.lstm import LayerWeights
from gharial_asr.inference.network import NetworkWeights, Projection
from gharial_asr.precision import Precision
from gharial_asr.rounding.network import round_network
from gharial_asr.tokenizer import Tokenizer

Target = Literal["cpu", "cuda", "card"]
"""What a model is compiled for. All run the same layout of the same int8 weights."""
TARGETS: tuple[Target, ...] = get_args(Target)

NEEDED_BITSTREAM = "1.10.0"
"""Cards with an older bitstream do not know this arrangement of the weights."""


@dataclass(frozen=True)
class Arithmetic:
    """What a runner needs: the network's weights, the statistics of the features (one value per mel filter), and the
    text of each token."""

    config: RnntConfig
    precision: Precision
    weights: NetworkWeights
    mel_mean: Tensor
    mel_variance: Tensor
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class CompiledModel(Arithmetic):
    """A model ready for the engine.

    digest: sha256 in hex of the file it came from, empty for one made in memory. needed_bitstream: the oldest version
    of a card's bitstream that runs it. ngram: the checkpoint's, if it has one.
    """

    tokenizer: Tokenizer
    version: str
    digest: str = ""
    needed_bitstream: str = NEEDED_BITSTREAM
    target: Target = "cpu"
    ngram: Ngram | None = None


def compile_checkpoint(
    checkpoint: HardwareCheckpoint, precision: Precision, digest: str = "", target: Target = "cpu"
) -> CompiledModel:
    """Arranges the checkpoint's weights for the engine."""
    weights = compile_weights(checkpoint.config, checkpoint.state_dict, "float32" if precision == "int8" else precision)
    return CompiledModel(
        config=checkpoint.config,
        precision=precision,
        weights=round_network(checkpoint.config, weights) if precision == "int8" else weights,
        mel_mean=checkpoint.mel_mean.float(),
        mel_variance=checkpoint.mel_variance.float(),
        pieces=checkpoint.tokenizer.pieces,
        tokenizer=checkpoint.tokenizer,
        version=checkpoint.version,
        digest=digest,
        target=target,
        ngram=checkpoint.ngram,
    )


def compile_weights(config: RnntConfig, state: dict[str, Tensor], precision: Precision) -> NetworkWeights:
    """The engine's arrangement of a checkpoint's state_dict; for int8 every weight is rounded to the nearest."""

    def convert(weight_NK: Tensor) -> Tensor | Int8Weight:
        return quantise_weight(weight_NK.float()) if precision == "int8" else weight_NK.float().contiguous()

    def stack(prefix: str, layers: int, bounded: bool) -> tuple[LayerWeights, ...]:
        """bounded: the first layer's inputs are hidden states too, within -1..1."""
        return tuple(layer(f"{prefix}.lstm", i, joined=bounded or i > 0) for i in range(layers))

    def layer(prefix: str, index: int, joined: bool) -> LayerWeights:
        def rows(name: str) -> Tensor:
            return _doubled_candidate(state[f"{prefix}.{name}_l{index}"].float())

        bias = rows("bias_ih") + rows("bias_hh")
        if joined:
            return LayerWeights(convert(torch.cat((rows("weight_ih"), rows("weight_hh")), 1)), None, bias)
        return LayerWeights(convert(rows("weight_hh")), convert(rows("weight_ih")), bias)

    def projection(name: str) -> Projection:
        return Projection(convert(state[f"{name}.weight"]), state[f"{name}.bias"].float())

    sizes = config.rnnt
    return NetworkWeights(
        pre=stack("encoder.pre_rnn", sizes.enc_pre_rnn_layers, bounded=False),
        post=stack("encoder.post_rnn", sizes.enc_post_rnn_layers, bounded=True),
        prediction=stack("prediction.dec_rnn", sizes.pred_rnn_layers, bounded=False),
        embedding=convert(state["prediction.embed.weight"]),
        joint_encoder=projection("joint_enc"),
        joint_prediction=projection("joint_pred"),
        joint_output=projection("joint_net.2"),
    )


def _doubled_candidate(rows_4H: Tensor) -> Tensor:
    """The engine takes tanh of the third gate from sigmoid of its double; see `gharial_asr.inference.lstm`."""
    gate_in, gate_forget, candidate, gate_out = rows_4H.chunk(4)
    return torch.cat((gate_in, gate_forget, 2 * candidate, gate_out))


def load_model(path: Path, precision: Precision = "int8") -> CompiledModel:
    """Reads a hardware checkpoint or a compiled artefact, told apart by their first bytes.

    An artefact holds int8 weights; with another precision they are used as they are, in that arithmetic.
    Raises CheckpointError or ArtefactError, OSError.
    """
    from gharial_asr.artefact import file_digest, looks_like_artefact, read_artefact
    from gharial_asr.checkpoint import load_hardware_checkpoint

    if looks_like_artefact(path):
        return read_artefact(path, precision)
    return compile_checkpoint(load_hardware_checkpoint(path), precision, file_digest(path))
