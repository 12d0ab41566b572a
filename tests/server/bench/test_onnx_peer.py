"""The peer in onnxruntime computes the engine's network, before its weights are quantised and nearly so after."""

import numpy as np
import pytest
import torch
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.features import Features
from gharial_asr.inference.network import Network
from gharial_asr.runner import Batch, LocalRunner
from gharial_asr.state import Recurrence
from gharial_server.bench.peers.onnx_peer import OnnxStreams, Sessions
from tiny_models import babble, tiny_checkpoint, tiny_config

FRAMES = 40
CHECKPOINT = tiny_checkpoint(config=tiny_config(prediction_layers=2))
MODEL = compile_checkpoint(CHECKPOINT, "float32")


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return Sessions(MODEL, int8=False, threads=1)


def _inputs(rows: int) -> np.ndarray:
    """Encoder inputs (B, S, F) of some recordings."""
    features = Features(MODEL.config, MODEL.mel_mean, MODEL.mel_variance)
    samples = np.stack([babble(FRAMES * 0.06, seed) for seed in range(rows)])
    inputs: np.ndarray = features(torch.from_numpy(samples)).numpy()
    return inputs


def test_encoder_and_joint_give_the_engines_logits_frame_by_frame(sessions: Sessions) -> None:
    network, sizes = Network(MODEL.config, MODEL.weights), MODEL.config.rnnt
    streams = OnnxStreams(sessions, rows=2, by_lot=False)
    x_BTF, steps = _inputs(2), sizes.enc_stack_time_factor
    pre = Recurrence.zeros(sizes.enc_pre_rnn_layers, 2, sizes.enc_n_hid)
    post = Recurrence.zeros(sizes.enc_post_rnn_layers, 2, sizes.enc_n_hid)
    start = Recurrence.zeros(sizes.pred_rnn_layers, 2, sizes.pred_n_hid)
    g_BJ = network.predict(torch.zeros(2, sizes.pred_n_hid), start.hidden, start.cell)
    for frame in range(FRAMES):
        x_BSF = x_BTF[:, frame * steps : (frame + 1) * steps]
        f_BJ = network.encode(torch.from_numpy(x_BSF), (pre.hidden, pre.cell), (post.hidden, post.cell))
        theirs = streams.logits(streams._encode(x_BSF), np.arange(2))
        np.testing.assert_allclose(theirs, network.logits(f_BJ, g_BJ).numpy(), atol=2e-3, rtol=1e-4)


def _engines_tokens(recordings: int) -> list[list[int]]:
    runner = LocalRunner(MODEL, recordings)
    tokens: list[list[int]] = [[] for _ in range(recordings)]
    samples = np.stack([babble(FRAMES * 0.06, seed) for seed in range(recordings)])
    for slot in range(recordings):
        runner.open(slot, 1)
    slots, generations = np.arange(recordings, dtype=np.int32), np.ones(recordings, np.uint32)
    for frame in range(FRAMES):
        emissions = runner.step(Batch(slots, generations, samples[:, frame * 960 : (frame + 1) * 960]))
        for row, emitted in enumerate(emissions.rows()):
            tokens[row] += emitted.settled.tokens
    return tokens


def _theirs(streams: OnnxStreams, x_BTF: np.ndarray) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in x_BTF]
    for at in range(0, x_BTF.shape[1], MODEL.config.rnnt.enc_stack_time_factor):
        emitted = streams.step(x_BTF[:, at : at + MODEL.config.rnnt.enc_stack_time_factor])
        for tokens, more in zip(found, emitted, strict=True):
            tokens += more
    return found


def test_greedy_decoding_gives_the_engines_tokens_alone_and_in_a_batch(sessions: Sessions) -> None:
    engine, inputs = _engines_tokens(3), _inputs(3)
    assert sum(map(len, engine)) > 20
    assert _theirs(OnnxStreams(sessions, 3, by_lot=False), inputs) == engine
    alone = [_theirs(OnnxStreams(sessions, 1, by_lot=False), x_BTF[None])[0] for x_BTF in inputs]
    assert alone == engine


def test_the_quantised_peer_has_the_same_states_nearly(sessions: Sessions) -> None:
    quantised = Sessions(MODEL, int8=True, threads=1)
    x_BSF = _inputs(2)[:, : MODEL.config.rnnt.enc_stack_time_factor]
    exact = OnnxStreams(sessions, 2, by_lot=False)._encode(x_BSF)
    rounded = OnnxStreams(quantised, 2, by_lot=False)._encode(x_BSF)
    assert not np.array_equal(exact, rounded)
    assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.99


def test_random_weights_speak_by_lot_as_often_as_the_engines(sessions: Sessions) -> None:
    streams = OnnxStreams(sessions, 40, by_lot=True)
    x_BSF = np.repeat(_inputs(1)[:, : MODEL.config.rnnt.enc_stack_time_factor], 40, 0)
    emitted = sum(len(tokens) for _ in range(20) for tokens in streams.step(x_BSF))
    assert 0.15 < emitted / 800 < 0.35
