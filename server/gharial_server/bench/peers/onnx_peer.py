"""The engine's network in onnxruntime with dynamic int8, greedy decoding around it.

With one row it is what common streaming servers do: one call of the session per stream and frame. With more rows it is
the same graph in batches.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
from gharial_asr.compilation import Arithmetic
from gharial_asr.decoding.greedy import MAX_SYMBOLS
from gharial_asr.inference.dense import Int8Weight
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from gharial_server.bench.peers.onnx_models import encoder_model, joint_model, prediction_model
from gharial_server.bench.subject import SPEECH

Floats = NDArray[np.float32]


class Sessions:
    """The three models in onnxruntime. They hold no state, so one of each serves all streams."""

    def __init__(self, model: Arithmetic, int8: bool, threads: int) -> None:
        self.config = model.config
        embedding = model.weights.embedding
        table = embedding.dequantised() if isinstance(embedding, Int8Weight) else embedding
        self.embedding: Floats = table.numpy()
        self.encoder = _session(encoder_model(model.config, model.weights), int8, threads)
        self.prediction = _session(prediction_model(model.config, model.weights), int8, threads)
        self.joint = _session(joint_model(model.config, model.weights), int8, threads)


class OnnxStreams:
    """The states of some streams that go through the sessions together, and greedy decoding.

    Shapes: B rows, R rows that still emit, S encoder inputs of a step, F features, J joint size, C classes.
    """

    def __init__(self, sessions: Sessions, rows: int, by_lot: bool) -> None:
        """by_lot: random weights speak by lot, as often as the engine's do (`gharial_server.bench.subject`)."""
        self._sessions = sessions
        self._rows = rows
        self._lots = np.random.default_rng(1) if by_lot else None
        self._encoder = _zero_states(sessions.encoder, rows)
        self._prediction = _zero_states(sessions.prediction, rows)
        self._g_BJ = np.zeros((rows, sessions.config.rnnt.joint_n_hid), np.float32)
        self._read(np.arange(rows), np.zeros((1, rows, sessions.config.rnnt.pred_n_hid), np.float32))

    def step(self, x_BSF: Floats) -> list[list[int]]:
        """The tokens that one step of encoder inputs gives each row."""
        f_BJ = self._encode(x_BSF)
        tokens: list[list[int]] = [[] for _ in range(self._rows)]
        rows_R = np.arange(self._rows)
        for _ in range(MAX_SYMBOLS):
            best_R = self._best(self.logits(f_BJ[rows_R], rows_R))
            emits_R = best_R != self._sessions.config.blank
            rows_R, best_R = rows_R[emits_R], best_R[emits_R]
            if not len(rows_R):
                break
            for row, token in zip(rows_R.tolist(), best_R.tolist(), strict=True):
                tokens[row].append(token)
            self._read(rows_R, self._sessions.embedding[best_R][None])
        return tokens

    def logits(self, f_RJ: Floats, rows_R: NDArray[np.int64]) -> Floats:
        """Logits (R, C) of projected encoder outputs and what the rows have read."""
        logits_RC: Floats = self._sessions.joint.run(["logits"], {"f": f_RJ, "g": self._g_BJ[rows_R]})[0]
        return logits_RC

    def _encode(self, x_BSF: Floats) -> Floats:
        session = self._sessions.encoder
        feed = self._encoder | {"x": np.ascontiguousarray(x_BSF.transpose(1, 0, 2))}
        f_BJ, *states = session.run(["f", *_new(self._encoder)], feed)
        self._encoder = dict(zip(self._encoder, states, strict=True))
        projected: Floats = f_BJ
        return projected

    def _best(self, logits_RC: Floats) -> NDArray[np.int64]:
        if self._lots is None:
            best_R: NDArray[np.int64] = logits_RC.argmax(1)
            return best_R
        blank = self._sessions.config.blank
        return np.where(self._lots.random(len(logits_RC)) < SPEECH, logits_RC[:, :blank].argmax(1), blank)

    def _read(self, rows_R: NDArray[np.int64], embedded_1RP: Floats) -> None:
        """Lets the prediction network of some rows read a label's embedding."""
        feed = {name: state[:, rows_R] for name, state in self._prediction.items()} | {"embedded": embedded_1RP}
        self._g_BJ[rows_R], *states = self._sessions.prediction.run(["g", *_new(self._prediction)], feed)
        for name, state in zip(self._prediction, states, strict=True):
            self._prediction[name][:, rows_R] = state


def _session(model: ModelProto, int8: bool, threads: int) -> onnxruntime.InferenceSession:
    """A session on some threads that never spin, so that waiting costs no processor time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder, _without_advice():
        path = Path(folder) / "model.onnx"
        if int8:
            quantize_dynamic(model, path, weight_type=QuantType.QInt8)
        else:
            path.write_bytes(model.SerializeToString())
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextmanager
def _without_advice() -> Iterator[None]:
    """The quantiser logs advice about models that it has not shaped itself."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _zero_states(session: onnxruntime.InferenceSession, rows: int) -> dict[str, Floats]:
    """Every state that a session takes, as at the start of a stream."""
    states = [item for item in session.get_inputs() if item.name.endswith((".hidden", ".cell"))]
    return {item.name: np.zeros((1, rows, item.shape[2]), np.float32) for item in states}


def _new(states: dict[str, Floats]) -> list[str]:
    return [f"new.{name}" for name in states]
