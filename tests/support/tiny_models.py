"""Models small enough for tests: random weights, a real tokenizer, the architecture of the big ones."""

import io
from functools import cache

import numpy as np
import sentencepiece
import torch
from gharial_asr.checkpoint import HardwareCheckpoint
from gharial_asr.config import NetworkConfig, RnntConfig, TokenizerConfig
from gharial_asr.model import Rnnt
from gharial_asr.tokenizer import Tokenizer
from numpy.typing import NDArray

PIECES = 47
TINY_TEXT = [
    "the quick brown fox jumps over the lazy dog",
    "one two three four five six seven eight nine zero",
    "a gharial is a long nosed crocodile that lives on fish",
    "streams of words flow through small rivers",
]


# Weights that are larger than usual, so that the tokens depend on the audio and on the tokens before.
_GAINS = {
    "joint_enc.weight": 8.0,
    "joint_pred.weight": 12.0,
    "encoder.pre_rnn.lstm.weight_ih": 2.0,
    "encoder.post_rnn.lstm.weight_ih": 2.0,
}


@cache
def tiny_tokenizer() -> Tokenizer:
    """A unigram tokenizer of 47 pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TINY_TEXT * 5), model_writer=model, vocab_size=PIECES, character_coverage=1.0,
        unk_id=0, bos_id=-1, eos_id=-1, minloglevel=2,
    )  # fmt: skip
    return Tokenizer(model.getvalue())


def tiny_config(hidden: int = 64, prediction_layers: int = 1) -> RnntConfig:
    """2 + 2 encoder layers, one prediction layer, 80 mel filters."""
    sizes = NetworkConfig(
        enc_n_hid=hidden, enc_pre_rnn_layers=2, enc_post_rnn_layers=2,
        pred_n_hid=48, pred_rnn_layers=prediction_layers, joint_n_hid=64,
    )  # fmt: skip
    return RnntConfig(rnnt=sizes, tokenizer=TokenizerConfig(vocab_size=PIECES))


def tiny_checkpoint(seed: int = 5, config: RnntConfig | None = None, blank_bias: float = 18.0) -> HardwareCheckpoint:
    """Random weights. At seeds 1, 3 and 5 and a bias of 18 to 22 the blank mostly wins and tokens come in bursts."""
    config = config or tiny_config()
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in Rnnt(config).state_dict().items():
        gain = 2.0 * next((gain for part, gain in _GAINS.items() if part in name), 1.0)
        state[name] = torch.randn(value.shape, generator=generator) * (gain / value.shape[-1] ** 0.5)
    state["joint_net.2.bias"][-1] += blank_bias
    filters = config.input_val.filterbank_features.n_filt
    return HardwareCheckpoint(
        config=config, state_dict=state, mel_mean=torch.full((filters,), -9.0),
        mel_variance=torch.full((filters,), 9.0), tokenizer=tiny_tokenizer(),
    )  # fmt: skip


def babble(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Noise whose loudness and colour wander, so that a random model has something to say about it."""
    random = np.random.default_rng(seed)
    samples = round(seconds * 16000)
    noise = random.standard_normal(samples)
    coloured = np.convolve(noise, random.standard_normal(24) / 5, mode="same")[:samples]  # at least the filter's length
    loudness = np.repeat(random.uniform(0.0, 0.2, samples // 800 + 1), 800)[:samples]
    return (coloured * loudness).clip(-1, 1).astype(np.float32)
