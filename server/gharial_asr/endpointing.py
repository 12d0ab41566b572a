"""The end of an utterance, by the model's own token for it or by silence: see docs/reference/endpointing.md.

Modes and numbers are those of the CAIMAN-ASR documentation ("Endpointing", "EOS decoding"). Frames are encoder
frames.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gharial_asr.emissions import NO_TOKENS, Hypothesis, Row, Tokens

EOS_PIECE = "<EOS>"
"""Text of the token that a model trained on segmented transcripts emits after an utterance."""

EosMode = Literal["classic", "stream", "terminal"]
EOS_MODES: tuple[EosMode, ...] = ("classic", "stream", "terminal")
Endpoint = Literal["eos", "silence"]


@dataclass(frozen=True)
class EndpointSettings:
    """eos_mode: what becomes of the model's end-of-utterance token. In mode terminal, its log-probability is multiplied
    by eos_multiplier (above 1: later and surer), and below a probability of eos_threshold it is impossible.
    silence_seconds: a stream ends after so long without a token; None for never."""

    eos_mode: EosMode = "classic"
    eos_multiplier: float = 1.0
    eos_threshold: float = 0.0
    silence_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.eos_mode not in EOS_MODES:
            raise ValueError(f"the mode of endpointing is {self.eos_mode!r}; give one of {', '.join(EOS_MODES)}")
        if not 0 < self.eos_multiplier < math.inf or not 0 <= self.eos_threshold < 1:
            raise ValueError("the end-of-utterance token needs a multiplier above 0 and a threshold from 0 to below 1")
        if self.eos_mode != "terminal" and self.changes_logits:
            raise ValueError("multiplier and threshold of the end-of-utterance token are for the mode terminal only")
        silence = self.silence_seconds
        if silence is not None and not math.isfinite(silence):
            raise ValueError(
                f"a stream cannot end after {silence:g} s of silence; give seconds, or leave it out for never"
            )
        if silence is not None and silence < 0.3:
            raise ValueError(f"{silence:g} s of silence are in every sentence; give 0.3 or more, best 2")

    @property
    def changes_logits(self) -> bool:
        """Whether the token's probability is changed at all."""
        return self.eos_multiplier != 1 or self.eos_threshold != 0


CLASSIC = EndpointSettings()


def eos_token(pieces: Sequence[str], settings: EndpointSettings = CLASSIC) -> int | None:
    """The model's end-of-utterance token, if it has one. Raises ValueError when the mode needs one and it has none."""
    if EOS_PIECE in pieces:
        return list(pieces).index(EOS_PIECE)
    if settings.eos_mode != "classic":
        raise ValueError(
            f"the model has no {EOS_PIECE} token, which the endpointing mode {settings.eos_mode} needs; train it on "
            "segmented transcripts, or end streams by silence"
        )
    return None


class Endpointer:
    """Follows one stream, step by step, and says when its utterance has ended."""

    def __init__(self, pieces: Sequence[str], frame_seconds: float, settings: EndpointSettings = CLASSIC) -> None:
        """pieces: the text of each token. Raises ValueError when the model lacks what the settings need."""
        self.endpoint: Endpoint | None = None
        self._eos = eos_token(pieces, settings)
        self._mode = settings.eos_mode
        silence = settings.silence_seconds
        self._silence = None if silence is None else round(silence / frame_seconds)
        self._frame = 0
        self._last: int | None = None

    def step(self, row: Row) -> Row:
        """What is sent of the next frame's row. After the endpoint that is nothing."""
        if self.endpoint is not None:
            return Row(NO_TOKENS, ())
        frame, self._frame = self._frame, self._frame + 1
        if self._silence is not None and self._is_silent(row, frame, self._silence):
            self.endpoint = "silence"
        return row if self._eos is None else self._with_mode(row, self._eos)

    def _is_silent(self, row: Row, frame: int, silence: int) -> bool:
        """No token for so many frames, but one before them, and nothing that a decoder still has open."""
        said = [max(run.frames) for run in (row.settled, *(each.tokens for each in row.hypotheses)) if run.frames]
        self._last = max(said, default=self._last)
        is_open = any(each.tokens.tokens for each in row.hypotheses)
        return self._last is not None and not is_open and frame - self._last >= silence

    def _with_mode(self, row: Row, eos: int) -> Row:
        if self._mode == "classic":
            rest = (Hypothesis(each.score, _without(each.tokens, eos)) for each in row.hypotheses)
            return Row(_without(row.settled, eos), tuple(rest))
        if self._mode == "terminal" and eos in row.settled.tokens:
            self.endpoint = "eos"
            return Row(row.settled.part(0, row.settled.tokens.index(eos) + 1), ())
        return row


def _without(run: Tokens, eos: int) -> Tokens:
    if eos not in run.tokens:
        return run
    kept = [at for at, token in enumerate(run.tokens) if token != eos]
    return sum((run.part(at, at + 1) for at in kept), NO_TOKENS)
