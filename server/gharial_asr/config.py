"""What a checkpoint says about itself: audio front end, network sizes and tokenizer.

The field names are those of the `rnnt_config` entry of the hardware checkpoint (CAIMAN-ASR documentation, "Model YAML
configurations"). Fields that we do not use are ignored on load. Sizes have limits far above any real model, so that a
damaged or hostile file is refused before memory is asked for it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_WIDEST = 65536
_DEEPEST = 64


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class FilterbankConfig(_Section):
    """Log-mel front end. Times are in seconds."""

    sample_rate: Literal[16000] = 16000
    window_size: float = Field(default=0.025, gt=0, le=1, description="Length of the Hann window.")
    window_stride: float = Field(default=0.01, gt=0, le=1, description="Hop between windows.")
    window: Literal["hann"] = "hann"
    normalize: Literal["per_feature"] = "per_feature"
    n_fft: int = Field(default=512, gt=0, le=65536)
    n_filt: int = Field(default=80, gt=0, le=4096, description="Mel filters.")
    preemph: float = Field(default=0.97, ge=0, lt=1)
    dither: float = Field(default=1e-5, ge=0)

    @property
    def window_samples(self) -> int:
        """Samples in one window (400 at 25 ms)."""
        return round(self.window_size * self.sample_rate)

    @property
    def hop_samples(self) -> int:
        """Samples between the starts of two windows (160 at 10 ms)."""
        return round(self.window_stride * self.sample_rate)

    @model_validator(mode="after")
    def _window_fits(self) -> "FilterbankConfig":
        if not 0 < self.hop_samples <= self.window_samples <= self.n_fft:
            raise ValueError(
                f"0 < window_stride <= window_size <= n_fft must hold in samples, "
                f"not {self.hop_samples}, {self.window_samples}, {self.n_fft}"
            )
        return self


class FrameSplicingConfig(_Section):
    """How many log-mel frames make one encoder input."""

    frame_stacking: int = Field(default=3, gt=0, le=64)
    frame_subsampling: int = Field(default=3, gt=0, le=64)

    @model_validator(mode="after")
    def _no_overlap(self) -> "FrameSplicingConfig":
        if self.frame_stacking != self.frame_subsampling:
            raise ValueError("frame_stacking and frame_subsampling must be equal: stacked frames do not overlap")
        return self


class InputConfig(_Section):
    """The `input_val` section."""

    filterbank_features: FilterbankConfig = FilterbankConfig()
    frame_splicing: FrameSplicingConfig = FrameSplicingConfig()


class NetworkConfig(_Section):
    """The `rnnt` section: sizes of encoder, prediction network and joint."""

    in_feats: int = Field(default=240, gt=0, description="n_filt x frame_stacking.")
    enc_n_hid: int = Field(gt=0, le=_WIDEST)
    enc_pre_rnn_layers: int = Field(default=2, gt=0, le=_DEEPEST)
    enc_post_rnn_layers: int = Field(gt=0, le=_DEEPEST)
    enc_stack_time_factor: int = Field(default=2, gt=0, le=64)
    enc_dropout: float = Field(default=0.0, ge=0, lt=1)
    pred_n_hid: int = Field(gt=0, le=_WIDEST)
    pred_rnn_layers: int = Field(default=1, gt=0, le=_DEEPEST)
    pred_dropout: float = Field(default=0.0, ge=0, lt=1)
    joint_n_hid: int = Field(gt=0, le=_WIDEST)
    joint_dropout: float = Field(default=0.0, ge=0, lt=1)


class TokenizerConfig(_Section):
    """The `tokenizer` section."""

    labels: list[str] = Field(default=[" ", *"abcdefghijklmnopqrstuvwxyz", "'"], description="The character set.")
    vocab_size: int = Field(gt=1, le=1_000_000, description="SentencePiece pieces, without the blank.")
    sampling: float = Field(default=0.0, ge=0, le=1, description="Share of training text that is segmented at random.")


class RnntConfig(_Section):
    """The whole `rnnt_config` entry of a hardware checkpoint."""

    input_val: InputConfig = InputConfig()
    rnnt: NetworkConfig
    tokenizer: TokenizerConfig

    @property
    def n_classes(self) -> int:
        """Pieces and the blank, which is the last class."""
        return self.tokenizer.vocab_size + 1

    @property
    def blank(self) -> int:
        """Index of the blank."""
        return self.tokenizer.vocab_size

    @property
    def frames_per_step(self) -> int:
        """Log-mel frames behind one encoder output (6)."""
        return self.input_val.frame_splicing.frame_stacking * self.rnnt.enc_stack_time_factor

    @property
    def samples_per_step(self) -> int:
        """Samples behind one encoder output (960: 60 ms at 16 kHz)."""
        return self.frames_per_step * self.input_val.filterbank_features.hop_samples

    @property
    def step_seconds(self) -> float:
        """Audio behind one encoder output (0.06 s)."""
        return self.samples_per_step / self.input_val.filterbank_features.sample_rate

    @model_validator(mode="after")
    def _features_fit(self) -> "RnntConfig":
        features = self.input_val.filterbank_features.n_filt * self.input_val.frame_splicing.frame_stacking
        if self.rnnt.in_feats != features:
            raise ValueError(f"rnnt.in_feats is {self.rnnt.in_feats}, but n_filt x frame_stacking is {features}")
        return self
