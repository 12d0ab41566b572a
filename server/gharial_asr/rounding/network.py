"""A whole network's weights in int8, each matrix rounded for the inputs that it gets.

Shapes: T steps, B streams, I inputs, H units of a layer, J joint size, R examples.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from gharial_asr.config import RnntConfig
from gharial_asr.inference.dense import quantise_weight
from gharial_asr.inference.lstm import LayerWeights, layer
from gharial_asr.inference.network import NetworkWeights, Projection
from gharial_asr.rounding.compensated import Inputs, Rounded, round_compensated
from gharial_asr.rounding.speechlike import random_labels, speechlike_features

# More hardly change the weights of a trained model: the decision above has the figures.
STREAMS, FRAMES = 32, 96


@torch.inference_mode()
def round_network(config: RnntConfig, weights: NetworkWeights) -> NetworkWeights:
    """The int8 weights of a float32 network. Takes half a minute for 85 million parameters on one core.

    The same weights give the same bytes on one kind of processor with one number of threads; others sum in another
    order, after which single weights may be rounded the other way.
    """
    stacked = config.rnnt.enc_stack_time_factor
    x_TBI = speechlike_features(config, STREAMS, FRAMES * stacked)
    pre, x_TBI = _stack(weights.pre, x_TBI)
    together = x_TBI.view(FRAMES, stacked, STREAMS, -1).transpose(1, 2).reshape(FRAMES, STREAMS, -1)
    post, x_TBI = _stack(weights.post, together)
    joint_encoder, f_TBJ = _projection(weights.joint_encoder, x_TBI)
    embedding = weights.embedding
    assert isinstance(embedding, Tensor)
    prediction, y_TBI = _stack(weights.prediction, embedding[random_labels(config, STREAMS, FRAMES)])
    joint_prediction, g_TBJ = _projection(weights.joint_prediction, y_TBI)
    joint_output, _ = _projection(weights.joint_output, (f_TBJ + g_TBJ).relu_())
    return NetworkWeights(
        pre, post, prediction, quantise_weight(embedding), joint_encoder, joint_prediction, joint_output
    )


def _stack(layers: tuple[LayerWeights, ...], x_TBI: Tensor) -> tuple[tuple[LayerWeights, ...], Tensor]:
    """The layers in int8, and what the top one makes of the inputs in float32."""
    rounded = []
    for weights in layers:
        y_TBH = _outputs(weights, x_TBI)
        rounded.append(_layer(weights, x_TBI, y_TBH))
        x_TBI = y_TBH
    return tuple(rounded), x_TBI


def _outputs(weights: LayerWeights, x_TBI: Tensor) -> Tensor:
    run, units = layer(weights), len(weights.bias) // 4
    hidden_BH, cell_BH = torch.zeros(x_TBI.shape[1], units), torch.zeros(x_TBI.shape[1], units)
    outputs = []
    for x_BI in x_TBI:
        run.step(x_BI, hidden_BH, cell_BH)
        outputs.append(hidden_BH.clone())
    return torch.stack(outputs)


def _layer(weights: LayerWeights, x_TBI: Tensor, y_TBH: Tensor) -> LayerWeights:
    hidden_TBH = torch.cat((torch.zeros_like(y_TBH[:1]), y_TBH[:-1]))
    if weights.inputs is None:
        joined = _rounded(weights.recurrent, torch.cat((x_TBI, hidden_TBH), 2))
        return LayerWeights(joined.weight, None, weights.bias + joined.bias_change)
    recurrent, inputs = _rounded(weights.recurrent, hidden_TBH), _rounded(weights.inputs, x_TBI)
    return LayerWeights(recurrent.weight, inputs.weight, weights.bias + recurrent.bias_change + inputs.bias_change)


def _projection(projection: Projection, x_TBI: Tensor) -> tuple[Projection, Tensor]:
    """The projection in int8, and what it makes of the inputs in float32."""
    rounded = _rounded(projection.weight, x_TBI)
    assert isinstance(projection.weight, Tensor)
    there = Projection(rounded.weight, projection.bias + rounded.bias_change)
    return there, F.linear(x_TBI, projection.weight, projection.bias)


def _rounded(weight: object, x_TBI: Tensor) -> Rounded:
    assert isinstance(weight, Tensor)
    return round_compensated(weight, Inputs.of(x_TBI.flatten(0, 1)))
