"""Options of decoding, the same for every command that decodes."""

import argparse

from gharial_asr.recognition import Recognition
from gharial_asr.resets import ResetSettings


def add_recognition_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    defaults = ResetSettings()
    group = parser.add_argument_group("decoding")
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


def recognition_of(arguments: argparse.Namespace) -> Recognition:
    """What the options say. Raises ValueError."""
    resets = ResetSettings(arguments.reset_segment, arguments.reset_overlap) if arguments.state_resets else None
    return Recognition(resets=resets)
