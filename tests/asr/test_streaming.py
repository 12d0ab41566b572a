"""The streaming front end against whole recordings, whatever the chunks."""

import numpy as np
import pytest
import torch
from gharial_asr.config import FilterbankConfig, InputConfig, NetworkConfig, RnntConfig, TokenizerConfig
from gharial_asr.features import Features
from gharial_asr.streaming import StreamingFeatures
from gharial_server.engine.frames import FrameBuffer
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_models import babble, tiny_checkpoint

Samples = NDArray[np.float32]


def features_of(window_size: float) -> Features:
    config = RnntConfig(
        input_val=InputConfig(filterbank_features=FilterbankConfig(window_size=window_size)),
        rnnt=NetworkConfig(enc_n_hid=8, enc_post_rnn_layers=1, pred_n_hid=8, joint_n_hid=8),
        tokenizer=TokenizerConfig(vocab_size=7),
    )
    return Features(config, torch.linspace(-12, -6, 80), torch.linspace(4, 16, 80))


FEATURES = {400: features_of(0.025), 320: features_of(0.02)}


def streamed(features: Features, chunks: list[Samples]) -> torch.Tensor:
    """As the server does: chunks of any length gather into frames, each frame goes through the front end."""
    front_end = StreamingFeatures(features)
    buffer = FrameBuffer(front_end.step_samples)
    history_BH, parts = torch.zeros(1, front_end.history_samples), []
    for chunk in chunks:
        buffer.push(chunk, 0.0)
        while buffer.ready:
            inputs_BSF, history_BH = front_end.step(torch.from_numpy(buffer.take()[0])[None], history_BH)
            parts.append(inputs_BSF)
    buffer.finish(0.0)
    if buffer.ready:
        parts.append(front_end.step(torch.from_numpy(buffer.take()[0])[None], history_BH)[0])
    return torch.cat(parts, 1)


@given(
    window=st.sampled_from([400, 320]),
    samples=st.integers(1, 9000),
    cuts=st.lists(st.integers(0, 9000), max_size=12),
    seed=st.integers(0, 99),
    pcm=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_features_are_the_same_whatever_the_chunks(
    window: int, samples: int, cuts: list[int], seed: int, pcm: bool
) -> None:
    x: NDArray[np.float32] | NDArray[np.int16] = babble(samples / 16000, seed)
    whole = x
    if pcm:
        x = (x * 32767).astype(np.int16)
        whole = x.astype(np.float32) / 32768
    chunks = np.split(x, sorted(min(cut, len(x)) for cut in cuts))
    found, expected = streamed(FEATURES[window], chunks), FEATURES[window](torch.from_numpy(whole)[None])
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5


def test_one_sample_at_a_time_is_one_chunk() -> None:
    x = babble(0.2)
    apart = streamed(FEATURES[400], list(x[:, None]))
    assert torch.equal(apart, streamed(FEATURES[400], [x]))


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_silence_and_constants_stay_finite_and_equal(value: float) -> None:
    x = np.full(4000, value, np.float32)
    found = streamed(FEATURES[400], [x[:1], x[1:3999], x[3999:]])
    assert found.isfinite().all()
    assert (found - FEATURES[400](torch.from_numpy(x)[None])).abs().max() <= 1e-5


@pytest.mark.parametrize("streams", [1, 3, 8])
def test_many_streams_at_once_give_what_each_gives_alone_bit_for_bit(streams: int) -> None:
    checkpoint = tiny_checkpoint()
    features = Features(checkpoint.config, checkpoint.mel_mean, checkpoint.mel_variance)
    x_BN = torch.stack([torch.from_numpy(babble(1.5, seed=i)) for i in range(streams)])
    front_end = StreamingFeatures(features)
    history_BH = torch.zeros(streams, front_end.history_samples)
    parts = []
    for chunk_BN in x_BN.split(front_end.step_samples, 1):
        inputs_BSF, history_BH = front_end.step(chunk_BN, history_BH)
        parts.append(inputs_BSF)
    assert [part.shape for part in parts] == [(streams, 2, 240)] * 25
    together = torch.cat(parts, 1)
    for i in range(streams):
        assert torch.equal(together[i : i + 1], streamed(features, [x_BN[i].numpy()]))
