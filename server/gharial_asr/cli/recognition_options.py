"""Options of decoding, the same for every command that decodes."""

import argparse
from dataclasses import replace

from gharial_asr.decoding.settings import BEAM, DECODERS, GREEDY, DecoderSettings
from gharial_asr.endpointing import EOS_MODES, EndpointSettings
from gharial_asr.keywords import Keywords, read_keywords
from gharial_asr.recognition import Recognition
from gharial_asr.resets import ResetSettings


def add_recognition_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    defaults, eos = ResetSettings(), EndpointSettings()
    group = parser.add_argument_group("decoding")
    group.add_argument("--decoder", choices=DECODERS, default=GREEDY.decoder, help="beam costs more (%(default)s)")
    group.add_argument(
        "--beam-width", type=int, metavar="N", help=f"hypotheses that decoder beam keeps ({BEAM.beam_width})"
    )
    group.add_argument(
        "--ngram-scale", type=float, metavar="S",
        help="weight of the model's n-gram for decoder beam; 0 leaves it out (the model's own)",
    )  # fmt: skip
    group.add_argument(
        "--fuzzy-top-k", action="store_true",
        help="decoder beam knows the largest of every eight logits only, as from a card",
    )  # fmt: skip
    group.add_argument(
        "--state-resets", action="store_true",
        help="decode long audio in overlapping segments, each with fresh states; costs a quarter more",
    )  # fmt: skip
    group.add_argument(
        "--reset-segment", type=float, metavar="S",
        help=f"length of a segment, overlaps included ({defaults.segment_seconds:g} s)",
    )  # fmt: skip
    group.add_argument(
        "--reset-overlap", type=float, metavar="S",
        help=f"what a segment shares with the next ({defaults.overlap_seconds:g} s)",
    )  # fmt: skip
    group.add_argument(
        "--eos-mode", choices=EOS_MODES, default=eos.eos_mode,
        help="the model's end-of-utterance token is left out, shown, or ends the stream (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--eos-multiplier", type=float, default=eos.eos_multiplier, metavar="A",
        help="of that token's log-probability, in mode terminal (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--eos-threshold", type=float, default=eos.eos_threshold, metavar="B",
        help="the least probability of that token, in mode terminal (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--silence-terminate-seconds", type=float, metavar="S",
        help="end a stream after so long without a word (never)",
    )  # fmt: skip


def add_keyword_argument(parser: argparse.ArgumentParser) -> None:
    """Declares the option of keywords."""
    parser.add_argument(
        "--keywords", metavar="FILE",
        help='phrases to hear more readily, or less, for every stream: a file with {"keywords": {"gharial": 1.0}}, or '
             "that object itself",
    )  # fmt: skip


def keywords_of(arguments: argparse.Namespace) -> Keywords:
    """What the option names. Raises ValueError, OSError."""
    return () if arguments.keywords is None else read_keywords(arguments.keywords)


def recognition_of(arguments: argparse.Namespace) -> Recognition:
    """What the options say. Raises ValueError."""
    beam = _given(arguments, beam_width="--beam-width", ngram_scale="--ngram-scale", fuzzy_top_k="--fuzzy-top-k")
    resets = _given(arguments, reset_segment="--reset-segment", reset_overlap="--reset-overlap")
    if beam and arguments.decoder != "beam":
        raise ValueError(f"{next(iter(beam))} is for --decoder beam; give that too")
    if resets and not arguments.state_resets:
        raise ValueError(f"{next(iter(resets))} is for --state-resets; give that too")
    return Recognition(_resets_of(arguments), _endpointing_of(arguments), _decoder_of(arguments))


def _given(arguments: argparse.Namespace, **options: str) -> list[str]:
    """Those of some options that stand on the command line."""
    values = {option: getattr(arguments, name) for name, option in options.items()}
    return [option for option, value in values.items() if value is not None and value is not False]


def _decoder_of(arguments: argparse.Namespace) -> DecoderSettings:
    if arguments.decoder != "beam":
        return GREEDY
    width = BEAM.beam_width if arguments.beam_width is None else arguments.beam_width
    return replace(BEAM, beam_width=width, ngram_scale=arguments.ngram_scale, fuzzy=arguments.fuzzy_top_k)


def _resets_of(arguments: argparse.Namespace) -> ResetSettings | None:
    if not arguments.state_resets:
        return None
    segment, overlap, defaults = arguments.reset_segment, arguments.reset_overlap, ResetSettings()
    return ResetSettings(
        defaults.segment_seconds if segment is None else segment,
        defaults.overlap_seconds if overlap is None else overlap,
    )


def _endpointing_of(arguments: argparse.Namespace) -> EndpointSettings:
    return EndpointSettings(
        arguments.eos_mode, arguments.eos_multiplier, arguments.eos_threshold, arguments.silence_terminate_seconds
    )
