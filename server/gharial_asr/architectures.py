"""The published architectures by name, and models of any architecture with random weights."""

import torch

from gharial_asr.compilation import Arithmetic, compile_weights
from gharial_asr.config import FilterbankConfig, InputConfig, NetworkConfig, RnntConfig, TokenizerConfig
from gharial_asr.model import parameter_shapes
from gharial_asr.precision import Precision

# Parameters: 49, 85 and 196 million, as the CAIMAN-ASR documentation counts them.
ARCHITECTURES: dict[str, RnntConfig] = {
    "testing": RnntConfig(
        input_val=InputConfig(filterbank_features=FilterbankConfig(window_size=0.02)),
        rnnt=NetworkConfig(
            enc_n_hid=1024, enc_pre_rnn_layers=2, enc_post_rnn_layers=3,
            pred_n_hid=512, pred_rnn_layers=2, joint_n_hid=512,
        ),
        tokenizer=TokenizerConfig(vocab_size=1023),
    ),
    "base": RnntConfig(
        rnnt=NetworkConfig(
            enc_n_hid=1024, enc_pre_rnn_layers=2, enc_post_rnn_layers=6,
            pred_n_hid=512, pred_rnn_layers=2, joint_n_hid=768,
        ),
        tokenizer=TokenizerConfig(vocab_size=8703),
    ),
    "large": RnntConfig(
        rnnt=NetworkConfig(
            enc_n_hid=1536, enc_pre_rnn_layers=2, enc_post_rnn_layers=6,
            pred_n_hid=768, pred_rnn_layers=2, joint_n_hid=1024,
        ),
        tokenizer=TokenizerConfig(vocab_size=17407),
    ),
}  # fmt: skip

# Text of a random model's tokens, with a number behind: two of three begin a word.
PIECES = (" word", " of", "s")


def architecture_name(config: RnntConfig) -> str:
    """testing, base or large where sizes and vocabulary are theirs, else custom."""
    dropouts = {"enc_dropout", "pred_dropout", "joint_dropout"}

    def sizes(of: RnntConfig) -> tuple[dict[str, int], int]:
        return of.rnnt.model_dump(exclude=dropouts), of.tokenizer.vocab_size

    return next((name for name, known in ARCHITECTURES.items() if sizes(known) == sizes(config)), "custom")


def random_model(config: RnntConfig, precision: Precision, seed: int = 0) -> Arithmetic:
    """A model that costs what a trained one of this architecture costs, and never emits: its blank always wins."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(shape, generator=generator) / max(shape[-1], 1) ** 0.5
        for name, shape in parameter_shapes(config).items()
    }
    state["joint_net.2.bias"][-1] = 100.0
    filters = config.input_val.filterbank_features.n_filt
    return Arithmetic(
        config=config,
        precision=precision,
        weights=compile_weights(config, state, precision),
        mel_mean=torch.full((filters,), -9.0),
        mel_variance=torch.full((filters,), 9.0),
        pieces=tuple(PIECES[token % len(PIECES)] + str(token) for token in range(config.blank)),
    )
