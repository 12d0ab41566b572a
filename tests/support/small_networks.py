"""Random networks of a few numbers, once for the engine and once in plain numpy, and texts for their tokens."""

from dataclasses import dataclass

import numpy as np
import torch
from gharial_asr.compilation import compile_weights
from gharial_asr.config import (
    FilterbankConfig,
    FrameSplicingConfig,
    InputConfig,
    NetworkConfig,
    RnntConfig,
    TokenizerConfig,
)
from gharial_asr.inference.network import Network
from gharial_asr.model import parameter_shapes
from numpy.typing import NDArray

JOINT = 6
PREDICTION = 4


def small_config(tokens: int, layers: int) -> RnntConfig:
    """As small as the engine takes it."""
    front_end = InputConfig(
        filterbank_features=FilterbankConfig(n_filt=2),
        frame_splicing=FrameSplicingConfig(frame_stacking=1, frame_subsampling=1),
    )
    sizes = NetworkConfig(
        in_feats=2, enc_n_hid=2, enc_pre_rnn_layers=1, enc_post_rnn_layers=1,
        pred_n_hid=PREDICTION, pred_rnn_layers=layers, joint_n_hid=JOINT,
    )  # fmt: skip
    return RnntConfig(input_val=front_end, rnnt=sizes, tokenizer=TokenizerConfig(vocab_size=tokens))


@dataclass(frozen=True)
class SmallNetwork:
    """Prediction network and joint with random weights."""

    config: RnntConfig
    state: dict[str, torch.Tensor]

    @classmethod
    def random(cls, seed: int, tokens: int, layers: int, blank_bias: float, gain: float) -> "SmallNetwork":
        """gain: how far apart logits lie."""
        config = small_config(tokens, layers)
        generator = torch.Generator().manual_seed(seed)
        state = {name: torch.randn(shape, generator=generator) for name, shape in parameter_shapes(config).items()}
        state["joint_net.2.weight"] *= gain
        state["joint_net.2.bias"][-1] += blank_bias
        return cls(config, state)

    def engine(self) -> Network:
        """The engine's float32 arithmetic."""
        return Network(self.config, compile_weights(self.config, self.state, "float32"))

    def plain(self, f_TJ: NDArray[np.float32]) -> "PlainModel":
        """The textbook's arithmetic for one stream's projected encoder outputs."""
        return PlainModel({name: value.double().numpy() for name, value in self.state.items()}, f_TJ.astype(np.float64))


class PlainModel:
    """Logits of a frame after some tokens; what the prediction network said is remembered."""

    def __init__(self, weights: dict[str, NDArray[np.float64]], f_TJ: NDArray[np.float64]) -> None:
        self._w = weights
        self._f_TJ = f_TJ
        self._layers = sum(".weight_hh" in name and name.startswith("prediction") for name in weights)
        zero = [np.zeros(PREDICTION) for _ in range(self._layers)]
        self._read = {(): self._step(np.zeros(PREDICTION), zero, zero)}

    def __call__(self, frame: int, tokens: tuple[int, ...]) -> list[float]:
        joint = np.maximum(self._f_TJ[frame] + self._prediction(tokens)[0], 0)
        logits: list[float] = (self._w["joint_net.2.weight"] @ joint + self._w["joint_net.2.bias"]).tolist()
        return logits

    def _prediction(self, tokens):
        if tokens not in self._read:
            _, hidden, cell = self._prediction(tokens[:-1])
            self._read[tokens] = self._step(self._w["prediction.embed.weight"][tokens[-1]], hidden, cell)
        return self._read[tokens]

    def _step(self, x, hidden, cell):
        """One LSTM step: the projection for the joint, and the new states of all layers."""
        new_hidden, new_cell = [], []
        for layer in range(self._layers):
            w, name = self._w, "prediction.dec_rnn.lstm."
            gates = w[f"{name}weight_ih_l{layer}"] @ x + w[f"{name}bias_ih_l{layer}"]
            gates = gates + w[f"{name}weight_hh_l{layer}"] @ hidden[layer] + w[f"{name}bias_hh_l{layer}"]
            i, f, g, o = np.split(gates, 4)
            new_cell.append(_sigmoid(f) * cell[layer] + _sigmoid(i) * np.tanh(g))
            x = _sigmoid(o) * np.tanh(new_cell[-1])
            new_hidden.append(x)
        return self._w["joint_pred.weight"] @ x + self._w["joint_pred.bias"], new_hidden, new_cell


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def random_pieces(seed: int, tokens: int) -> tuple[str, ...]:
    """Short texts of two letters and a space: many sequences of tokens spell the same text; the first is empty."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 4, tokens)
    texts = ["".join(random.choice(list("ab "), length, p=[0.45, 0.4, 0.15])) for length in lengths]
    return ("", *texts[1:])
