"""The decoder that settings ask for."""

from gharial_asr.compilation import Arithmetic
from gharial_asr.decoding.beam.search import BeamDecoder
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.decoder import Decoder
from gharial_asr.decoding.greedy import GreedyDecoder
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.inference.network import Network


def build_decoder(model: Arithmetic, network: Network, slots: int, settings: DecoderSettings) -> Decoder:
    """A decoder for a number of slots, all unopened."""
    if settings.decoder == "greedy":
        return GreedyDecoder(network, slots)
    return BeamDecoder(network, slots, TextHash(model.pieces), settings, model.config.step_seconds)
