"""Log-mel features, whole or streamed.

Shapes: B utterances, N samples, T log-mel frames, M mel filters, S encoder inputs, F = M x frame_stacking.

The signal is framed after window - hop zeros are put before it, so that every hop of new samples ends exactly one
window: 960 samples give 6 frames. `LogMel.frames` takes samples that already carry the samples before them;
`LogMel.forward` starts from silence. Both run the same arithmetic, so a stream and a whole recording give the same
features.

Everything up to the mel energies is float64. In float32 the transform's rounding, 1e-7 of the loudest bin, is as
large as the quiet bins of read speech, and their logarithms were off by up to 0.005. It costs 0.1 to 0.2 ms per second
of audio.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gharial_asr.config import FilterbankConfig, RnntConfig

LOG_FLOOR = 1e-20


def hann_half_steps(length: int) -> Tensor:
    """Hann window sampled at half steps: 0.5 - 0.5 cos(2 pi (n + 0.5) / length), float64."""
    n = torch.arange(length, dtype=torch.float64)
    return 0.5 - 0.5 * torch.cos(2 * math.pi * (n + 0.5) / length)


def _slaney_mel(hertz: Tensor) -> Tensor:
    """Slaney's mel scale: linear under 1000 Hz, logarithmic above."""
    linear = hertz * 3 / 200
    logarithmic = 15 + torch.log(hertz.clamp(min=1e-10) / 1000) * 27 / math.log(6.4)
    return torch.where(hertz < 1000, linear, logarithmic)


def _slaney_hertz(mel: Tensor) -> Tensor:
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))


def mel_filters(n_filt: int, n_fft: int, sample_rate: int) -> Tensor:
    """Triangular filters of equal area on Slaney's scale, (n_fft / 2 + 1, n_filt), float64."""
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    top = _slaney_mel(torch.tensor(sample_rate / 2, dtype=torch.float64)).item()
    edges = _slaney_hertz(torch.linspace(0, top, n_filt + 2, dtype=torch.float64))
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return triangles * (2 / (edges[2:] - edges[:-2]))


class LogMel(nn.Module):
    """Natural logarithm of mel energies of a power spectrum, before normalisation."""

    window: Tensor
    filters: Tensor

    def __init__(self, config: FilterbankConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", hann_half_steps(config.window_samples), persistent=False)
        filters = mel_filters(config.n_filt, config.n_fft, config.sample_rate)
        self.register_buffer("filters", filters, persistent=False)

    @property
    def history_samples(self) -> int:
        """Samples of the past that `frames` needs before new ones: window - hop, and one for the pre-emphasis (241)."""
        return self.config.window_samples - self.config.hop_samples + 1

    def frames(self, x_BN: Tensor) -> Tensor:
        """Features of samples in [-1, 1) that start with `history_samples` of the past: zeros for a new stream.

        Returns float32 (B, (N - history) // hop, M). Samples after the last full hop are not used.
        """
        x_BN = x_BN.double()
        emphasised = x_BN[:, 1:] - self.config.preemph * x_BN[:, :-1]
        framed = emphasised.unfold(1, self.config.window_samples, self.config.hop_samples) * self.window
        spectrum = torch.fft.rfft(framed, n=self.config.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log((power @ self.filters).float().clamp(min=LOG_FLOOR))

    def forward(self, x_BN: Tensor) -> Tensor:
        """Features (B, N // hop, M) of whole recordings (B, N) from their first sample."""
        return self.frames(F.pad(x_BN, (self.history_samples, 0)))


class Features(nn.Module):
    """The whole front end: log-mel, normalisation with the statistics of the training data, stacking of frames."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: RnntConfig, mel_mean: Tensor, mel_variance: Tensor) -> None:
        super().__init__()
        self.samples_per_step = config.samples_per_step
        self.stacking = config.input_val.frame_splicing.frame_stacking
        self.log_mel = LogMel(config.input_val.filterbank_features)
        self.register_buffer("mean", mel_mean.detach().float(), persistent=False)
        self.register_buffer("deviation", mel_variance.detach().double().sqrt().float(), persistent=False)

    def stack(self, mel_BTM: Tensor) -> Tensor:
        """Normalised, stacked encoder inputs (B, T // stacking, M x stacking) of log-mel frames (B, T, M)."""
        normalised = (mel_BTM - self.mean) / self.deviation
        batch, frames, filters = normalised.shape
        inputs = frames // self.stacking
        return normalised[:, : inputs * self.stacking].reshape(batch, inputs, filters * self.stacking)

    def chunk(self, x_BN: Tensor) -> Tensor:
        """Encoder inputs of a chunk that starts with `log_mel.history_samples` of the past; the rest is whole steps."""
        return self.stack(self.log_mel.frames(x_BN))

    def forward(self, x_BN: Tensor) -> Tensor:
        """Encoder inputs (B, S, F) of whole recordings, padded with zeros to whole 60 ms steps."""
        missing = -x_BN.shape[1] % self.samples_per_step
        return self.stack(self.log_mel(F.pad(x_BN, (0, missing))))
