"""The decoder that settings ask for."""

from gharial_asr.compilation import Arithmetic, CompiledModel
from gharial_asr.decoding.beam.search import BeamDecoder
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.decoder import Decoder
from gharial_asr.decoding.greedy import GreedyDecoder
from gharial_asr.decoding.ngram import NgramScorer
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.inference.network import Network


def build_decoder(
    model: Arithmetic, network: Network, slots: int, settings: DecoderSettings, ngram: NgramScorer | None
) -> Decoder:
    """A decoder for a number of slots, all unopened."""
    if settings.decoder == "greedy":
        return GreedyDecoder(network, slots)
    return BeamDecoder(network, slots, TextHash(model.pieces), settings, model.config.step_seconds, ngram)


def load_ngram(model: Arithmetic, settings: DecoderSettings) -> NgramScorer | None:
    """The model's n-gram, for beam search, unless its weight is set to 0. Raises NgramError."""
    ngram = model.ngram if isinstance(model, CompiledModel) else None
    if settings.decoder == "greedy" or ngram is None or settings.ngram_scale == 0:
        return None
    return NgramScorer(ngram, model.pieces, settings.ngram_scale)
