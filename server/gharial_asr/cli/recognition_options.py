"""Options of decoding, the same for every command that decodes."""

import argparse
from dataclasses import replace
from pathlib import Path

from gharial_asr.decoding.settings import BEAM, DECODERS, GREEDY
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
        "--reset-segment", type=float, default=defaults.segment_seconds, metavar="S",
        help="length of a segment, overlaps included (%(default)s s)",
    )  # fmt: skip
    group.add_argument(
        "--reset-overlap", type=float, default=defaults.overlap_seconds, metavar="S",
        help="what a segment shares with the next (%(default)s s)",
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
        "--keywords", type=Path, metavar="FILE",
        help='phrases to hear more readily, or less, for every stream: {"keywords": {"gharial": 1.0}}',
    )  # fmt: skip


def keywords_of(arguments: argparse.Namespace) -> Keywords:
    """What the option names. Raises ValueError, OSError."""
    return () if arguments.keywords is None else read_keywords(arguments.keywords)


_OPTIONS = {"beam_width": "--beam-width", "ngram_scale": "--ngram-scale", "fuzzy": "--fuzzy-top-k"}


def recognition_of(arguments: argparse.Namespace) -> Recognition:
    """What the options say. Raises ValueError."""
    decoder = BEAM if arguments.decoder == "beam" else GREEDY
    beam = {"beam_width": arguments.beam_width, "ngram_scale": arguments.ngram_scale}
    beam["fuzzy"] = arguments.fuzzy_top_k or None
    given = {name: value for name, value in beam.items() if value is not None}
    if given and arguments.decoder != "beam":
        raise ValueError(f"{_OPTIONS[next(iter(given))]} is for --decoder beam; give that too")
    decoder = replace(decoder, **given)
    resets = ResetSettings(arguments.reset_segment, arguments.reset_overlap) if arguments.state_resets else None
    endpointing = EndpointSettings(
        arguments.eos_mode, arguments.eos_multiplier, arguments.eos_threshold, arguments.silence_terminate_seconds
    )
    return Recognition(resets, endpointing, decoder)
