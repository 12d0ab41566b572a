"""The decoder that settings ask for."""

from gharial_asr.checkpoint import Ngram
from gharial_asr.compilation import Arithmetic, CompiledModel
from gharial_asr.decoding.beam.search import BeamDecoder
from gharial_asr.decoding.beam.text_hash import TextHash
from gharial_asr.decoding.boosting import Booster
from gharial_asr.decoding.decoder import Decoder
from gharial_asr.decoding.greedy import GreedyDecoder
from gharial_asr.decoding.keyword_scores import KeywordScorer
from gharial_asr.decoding.ngram import NgramError, NgramScorer
from gharial_asr.decoding.settings import DecoderSettings
from gharial_asr.inference.network import Network


def build_decoder(
    model: Arithmetic,
    network: Network,
    slots: int,
    settings: DecoderSettings,
    ngram: NgramScorer | None,
    booster: Booster,
) -> Decoder:
    """A decoder for a number of slots, all unopened. booster: the slots' keywords."""
    if settings.decoder == "greedy":
        return GreedyDecoder(network, slots, booster)
    texts, judge = TextHash(model.pieces), KeywordScorer(booster, ngram)
    return BeamDecoder(network, slots, texts, settings, model.config.step_seconds, judge)


def load_ngram(model: Arithmetic, settings: DecoderSettings) -> NgramScorer | None:
    """The n-gram that the settings choose, read by KenLM. Raises NgramError."""
    ngram = chosen_ngram(model, settings)
    return None if ngram is None else NgramScorer(ngram, model.pieces, settings.ngram_scale)


def chosen_ngram(model: Arithmetic, settings: DecoderSettings) -> Ngram | None:
    """The model's n-gram, for beam search, unless its weight is set to 0. Raises NgramError when there is none to
    weigh."""
    ngram = model.ngram if isinstance(model, CompiledModel) else None
    if ngram is None and settings.ngram_scale:
        raise NgramError(
            f"the n-gram is to weigh {settings.ngram_scale:g}, but the model has none; give one with --ngram where "
            "the model is compiled or files are transcribed, or leave the weight out"
        )
    if settings.decoder == "greedy" or ngram is None or settings.ngram_scale == 0:
        return None
    return ngram
