"""The engine's network as ONNX models, the way streaming servers run one: encoder step, prediction step and joint
apart, every layer's state an input and an output.

Shapes: B streams, S encoder inputs of a step, F input features, H hidden size, I inputs of a layer, J joint size,
C classes. ONNX's LSTM takes (S, B, I) and gates in the order input, output, forget, candidate.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gharial_asr.config import RnntConfig
from gharial_asr.inference.dense import Weight, plain
from gharial_asr.inference.lstm import LayerWeights
from gharial_asr.inference.network import NetworkWeights, Projection
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper
from torch import Tensor

# The newest that the quantiser's LSTM knows.
OPSET, IR_VERSION = 17, 8


def encoder_model(config: RnntConfig, weights: NetworkWeights) -> ModelProto:
    """x (S, B, F), states pre{n}.hidden/cell and post{n}.hidden/cell (1, B, H) -> f (B, J), the states as new.*"""
    sizes = config.rnnt
    steps, hidden = sizes.enc_stack_time_factor, sizes.enc_n_hid
    graph = _Graph()
    graph.input("x", [steps, None, sizes.in_feats])
    y = graph.stack("x", "pre", weights.pre, hidden)
    graph.node("Transpose", [y], "neighbours", perm=[1, 0, 2])
    graph.constant("stacked_shape", np.array([1, -1, steps * hidden], np.int64))
    graph.node("Reshape", ["neighbours", "stacked_shape"], "stacked")
    y = graph.last(graph.stack("stacked", "post", weights.post, hidden))
    graph.projection(y, "f", weights.joint_encoder)
    graph.output("f", [None, sizes.joint_n_hid])
    return graph.model()


def prediction_model(config: RnntConfig, weights: NetworkWeights) -> ModelProto:
    """embedded (1, B, H) of a label, states prediction{n}.hidden/cell (1, B, H) -> g (B, J), the states as new.*"""
    hidden = config.rnnt.pred_n_hid
    graph = _Graph()
    graph.input("embedded", [1, None, hidden])
    y = graph.last(graph.stack("embedded", "prediction", weights.prediction, hidden))
    graph.projection(y, "g", weights.joint_prediction)
    graph.output("g", [None, config.rnnt.joint_n_hid])
    return graph.model()


def joint_model(config: RnntConfig, weights: NetworkWeights) -> ModelProto:
    """f, g (B, J) -> logits (B, C)."""
    graph = _Graph()
    for name in "fg":
        graph.input(name, [None, config.rnnt.joint_n_hid])
    graph.node("Add", ["f", "g"], "sum")
    graph.node("Relu", ["sum"], "known")
    graph.projection("known", "logits", weights.joint_output)
    graph.output("logits", [None, config.n_classes])
    return graph.model()


class _Graph:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self.constant("time", np.array([0], np.int64))
        self.constant("directions", np.array([1], np.int64))

    def input(self, name: str, shape: Sequence[int | None]) -> None:
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def output(self, name: str, shape: Sequence[int | None]) -> None:
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, name: str, value: NDArray[np.float32] | NDArray[np.int64]) -> None:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))

    def node(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(operator, inputs, outputs, **attributes))

    def stack(self, x: str, prefix: str, layers: Sequence[LayerWeights], hidden: int) -> str:
        """LSTM layers on top of each other; returns the name of the top one's outputs (S, B, H)."""
        for n, weights in enumerate(layers):
            x = self._layer(x, f"{prefix}{n}", weights, hidden)
        return x

    def _layer(self, x: str, name: str, weights: LayerWeights, hidden: int) -> str:
        inputs_4HI, recurrent_4HH = _apart(weights, hidden)
        self.constant(f"{name}.W", _onnx_order(inputs_4HI)[None])
        self.constant(f"{name}.R", _onnx_order(recurrent_4HH)[None])
        bias_4H = _onnx_order(weights.bias)
        self.constant(f"{name}.B", np.concatenate((bias_4H, np.zeros_like(bias_4H)))[None])
        states = [f"{name}.hidden", f"{name}.cell"]
        for state in states:
            self.input(state, [1, None, hidden])
            self.output(f"new.{state}", [1, None, hidden])
        self.node(
            "LSTM", [x, f"{name}.W", f"{name}.R", f"{name}.B", "", *states],
            f"{name}.all", *(f"new.{state}" for state in states), hidden_size=hidden,
        )  # fmt: skip
        self.node("Squeeze", [f"{name}.all", "directions"], f"{name}.outputs")
        return f"{name}.outputs"

    def last(self, y: str) -> str:
        """Outputs (1, B, H) as (B, H)."""
        self.node("Squeeze", [y, "time"], f"{y}.last")
        return f"{y}.last"

    def projection(self, x: str, y: str, projection: Projection) -> None:
        self.constant(f"{y}.weight", _float32(projection.weight).numpy().T)
        self.constant(f"{y}.bias", projection.bias.numpy())
        self.node("MatMul", [x, f"{y}.weight"], f"{y}.product")
        self.node("Add", [f"{y}.product", f"{y}.bias"], y)

    def model(self) -> ModelProto:
        graph = helper.make_graph(self._nodes, "gharial", self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        checker.check_model(model)
        return model


def _float32(weight: Weight) -> Tensor:
    rows = plain(weight)
    return rows if isinstance(rows, Tensor) else rows.dequantised()


def _apart(weights: LayerWeights, hidden: int) -> tuple[Tensor, Tensor]:
    """Input weights (4H, I) and recurrent weights (4H, H), which the engine may have joined."""
    recurrent = _float32(weights.recurrent)
    if weights.inputs is not None:
        return _float32(weights.inputs), recurrent
    inputs = recurrent.shape[1] - hidden
    return recurrent[:, :inputs], recurrent[:, inputs:]


def _onnx_order(rows_4H: Tensor) -> NDArray[np.float32]:
    """From the engine's order of gates (input, forget, twice the candidate, output) to ONNX's."""
    gate_in, forget, candidate, out = rows_4H.chunk(4)
    reordered: NDArray[np.float32] = torch.cat((gate_in, out, forget, candidate / 2)).numpy()
    return reordered
