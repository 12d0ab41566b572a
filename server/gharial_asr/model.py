"""The recurrent neural network transducer (RNN-T; A. Graves, 2012), with its state in the open.

Shapes: B streams, S encoder inputs, F input features, T encoder outputs, E encoder size, U labels, P prediction size,
J joint size, K classes (the blank is the last), L layers. Every call takes the state before and returns the state
after, so that a stream cut anywhere gives what the whole gives. Parameter names are those of the hardware checkpoint.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gharial_asr.config import NetworkConfig, RnntConfig

START = -1
"""The label before the first one: its embedding is the zero vector."""


class LstmState(NamedTuple):
    """Hidden and cell state of a stack of LSTM layers, (L, B, H) each."""

    hidden: Tensor
    cell: Tensor


class EncoderState(NamedTuple):
    """States before and after the stacking in time."""

    pre: LstmState
    post: LstmState


class Recurrent(nn.Module):
    """A stack of LSTM layers under the name `lstm`."""

    def __init__(self, inputs: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def zero_state(self, batch: int) -> LstmState:
        """The state at the start of a stream."""
        weight = next(self.lstm.parameters())
        zeros = weight.new_zeros(self.lstm.num_layers, batch, self.lstm.hidden_size)
        return LstmState(zeros, zeros.clone())

    def forward(self, x_BTI: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Outputs (B, T, H) and the state after them."""
        y_BTH, (hidden, cell) = self.lstm(x_BTI, tuple(state))
        return y_BTH, LstmState(hidden, cell)


class Encoder(nn.Module):
    """LSTM layers, stacking of neighbours in time, LSTM layers."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.stack_time = config.enc_stack_time_factor
        hidden = config.enc_n_hid
        self.pre_rnn = Recurrent(config.in_feats, hidden, config.enc_pre_rnn_layers, config.enc_dropout)
        self.dropout = nn.Dropout(config.enc_dropout)
        self.post_rnn = Recurrent(hidden * self.stack_time, hidden, config.enc_post_rnn_layers, config.enc_dropout)

    def zero_state(self, batch: int) -> EncoderState:
        """The state at the start of a stream."""
        return EncoderState(self.pre_rnn.zero_state(batch), self.post_rnn.zero_state(batch))

    def forward(self, x_BSF: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """Outputs (B, S / stack_time, E). S must be a multiple of stack_time: a stream comes in whole steps."""
        if x_BSF.shape[1] % self.stack_time:
            raise ValueError(f"{x_BSF.shape[1]} encoder inputs are not a multiple of {self.stack_time}; pad the audio")
        y_BSE, pre = self.pre_rnn(x_BSF, state.pre)
        batch, inputs, hidden = y_BSE.shape
        stacked = self.dropout(y_BSE).reshape(batch, inputs // self.stack_time, hidden * self.stack_time)
        y_BTE, post = self.post_rnn(stacked, state.post)
        return self.dropout(y_BTE), EncoderState(pre, post)


class Prediction(nn.Module):
    """The network that reads the labels emitted so far."""

    def __init__(self, config: NetworkConfig, labels: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(labels, config.pred_n_hid)
        self.dropout = nn.Dropout(config.pred_dropout)
        self.dec_rnn = Recurrent(config.pred_n_hid, config.pred_n_hid, config.pred_rnn_layers, config.pred_dropout)

    def zero_state(self, batch: int) -> LstmState:
        """The state before START is read."""
        return self.dec_rnn.zero_state(batch)

    def forward(self, labels_BU: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Outputs (B, U, P) after each label; START gives the zero vector."""
        known = (labels_BU != START).unsqueeze(-1)
        embedded = self.embed(labels_BU.clamp(min=0)) * known
        g_BUP, after = self.dec_rnn(embedded, state)
        return self.dropout(g_BUP), after


class Rnnt(nn.Module):
    """Encoder, prediction network and joint."""

    def __init__(self, config: RnntConfig) -> None:
        super().__init__()
        sizes = config.rnnt
        self.config = config
        self.encoder = Encoder(sizes)
        self.prediction = Prediction(sizes, config.n_classes - 1)
        self.joint_enc = nn.Linear(sizes.enc_n_hid, sizes.joint_n_hid)
        self.joint_pred = nn.Linear(sizes.pred_n_hid, sizes.joint_n_hid)
        joint_out = nn.Linear(sizes.joint_n_hid, config.n_classes)
        self.joint_net = nn.Sequential(nn.ReLU(), nn.Dropout(sizes.joint_dropout), joint_out)

    def joint(self, f_J: Tensor, g_J: Tensor) -> Tensor:
        """Logits (..., K) of projected encoder and prediction outputs (..., J), which broadcast."""
        logits: Tensor = self.joint_net(f_J + g_J)
        return logits

    def encode(self, x_BSF: Tensor, state: EncoderState | None = None) -> tuple[Tensor, EncoderState]:
        """Encoder outputs projected for the joint, (B, T, J), and the state after them."""
        f_BTE, after = self.encoder(x_BSF, state or self.encoder.zero_state(x_BSF.shape[0]))
        return self.joint_enc(f_BTE), after

    def predict(self, labels_BU: Tensor, state: LstmState | None = None) -> tuple[Tensor, LstmState]:
        """Prediction outputs projected for the joint, (B, U, J), and the state after them."""
        g_BUP, after = self.prediction(labels_BU, state or self.prediction.zero_state(labels_BU.shape[0]))
        return self.joint_pred(g_BUP), after


def parameter_shapes(config: RnntConfig) -> dict[str, torch.Size]:
    """The name and shape of every parameter of a configuration, without allocating any."""
    with torch.device("meta"):
        model = Rnnt(config)
    return {name: value.shape for name, value in model.state_dict().items()}
