"""The streaming front end against a whole recording."""

import pytest
import torch
from gharial_asr.features import Features
from gharial_asr.streaming import StreamingFeatures
from tiny_models import babble, tiny_checkpoint


@pytest.mark.parametrize("streams", [1, 3, 8])
def test_streamed_features_equal_those_of_whole_recordings_bit_for_bit(streams: int) -> None:
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
    assert torch.equal(torch.cat(parts, 1), features(x_BN))
