"""Decoders as docs/reference/decoding.md says them: slow, with lists and dictionaries, for one stream.

A model here is a function from a frame's number and the tokens so far to a list of logits, the blank's last.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

Model = Callable[[int, tuple[int, ...]], list[float]]
NGram = Callable[[tuple[int, ...], int], float]
"""From the tokens so far and a token to what the n-gram adds."""


@dataclass(frozen=True)
class Rules:
    """Numbers of the rules, under the names of the page."""

    width: int = 4
    temperature: float = 1.4
    candidates_within: float = 1.5
    prune_within: float = 0.4
    symbols: int = 8
    frames_open: int = 20
    fuzzy: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """tokens holds all of the stream's, settled ones too; frames and probabilities likewise."""

    score: float = 0.0
    tokens: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class Frame:
    """What a frame yields: newly settled tokens, and the hypotheses with all tokens but the settled."""

    settled: Hypothesis
    hypotheses: list[Hypothesis]


def log_softmax(logits: Sequence[float]) -> list[float]:
    highest = max(logits)
    total = highest + math.log(sum(math.exp(x - highest) for x in logits))
    return [x - total for x in logits]


def greedy(model: Model, frames: int, symbols: int = 30) -> Hypothesis:
    """Everything that greedy decoding emits in some frames."""
    said = Hypothesis()
    for frame in range(frames):
        for _ in range(symbols):
            scores = log_softmax(model(frame, said.tokens))
            best = scores.index(max(scores))
            if best == len(scores) - 1:
                break
            said = extend(said, best, frame, scores[best], 0.0)
    return said


def extend(before: Hypothesis, token: int, frame: int, logarithm: float, bonus: float) -> Hypothesis:
    return Hypothesis(
        before.score + logarithm + bonus,
        (*before.tokens, token),
        (*before.frames, frame),
        (*before.probabilities, math.exp(logarithm)),
    )


class ReferenceBeam:
    """Beam search of one stream. `closest` is how near to each other two scores came that were compared: with less
    exact numbers the comparison might have gone the other way."""

    def __init__(self, model: Model, pieces: Sequence[str], rules: Rules, ngram: NGram = lambda before, token: 0.0):
        self.closest = math.inf
        self.model = model
        self.pieces = pieces
        self.rules = rules
        self.ngram = ngram
        self.hypotheses = [Hypothesis()]
        self.settled = 0

    def frame(self, number: int) -> Frame:
        """Decodes one frame."""
        rules = self.rules
        active, ended = self.hypotheses, []
        for emitted in range(rules.symbols + 1):
            continued = []
            for hypothesis in active:
                scores = log_softmax([x / rules.temperature for x in self.sent(self.model(number, hypothesis.tokens))])
                ended.append(replace(hypothesis, score=hypothesis.score + scores[-1]))
                for token in self.candidates(scores):
                    bonus = self.ngram(hypothesis.tokens, token)
                    continued.append(extend(hypothesis, token, number, scores[token], bonus))
            ended = self.best_texts(ended)
            if emitted == rules.symbols:
                break
            active = self.best_texts(continued)
            if len(ended) == rules.width:
                active = [hypothesis for hypothesis in active if self.above(hypothesis.score, ended[-1].score)]
        self.hypotheses = self.without_old(self.pruned(ended), number)
        return self.settle()

    def sent(self, logits: list[float]) -> list[float]:
        """What a card sends of them: with fuzzy the largest of every eight neighbours, and the blank."""
        if not self.rules.fuzzy:
            return logits
        *tokens, blank = logits
        kept = [-math.inf] * len(tokens)
        for begin in range(0, len(tokens), 8):
            best = begin + self.in_order(tokens[begin : begin + 8])[0]
            kept[best] = tokens[best]
        return [*kept, blank]

    def above(self, a: float, b: float) -> bool:
        self.closest = min(self.closest, abs(a - b))
        return a > b

    def in_order(self, numbers: Iterable[float]) -> list[int]:
        """Places of numbers, the greatest's first."""
        listed = list(numbers)
        order = sorted(range(len(listed)), key=lambda k: -listed[k])
        for a, b in itertools.pairwise(order):
            self.above(listed[a], listed[b])
        return order

    def candidates(self, scores: list[float]) -> list[int]:
        best = self.in_order(scores)[: self.rules.width]
        blank = len(scores) - 1
        within = self.rules.candidates_within
        best = [k for k in best if k != blank and scores[k] > -math.inf]
        return [k for k in best if (within < 0 or self.above(scores[k], max(scores) - within))]

    def text(self, hypothesis: Hypothesis) -> str:
        return "".join(self.pieces[token] for token in hypothesis.tokens)

    def best_texts(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        """One hypothesis per text, the best first, no more than the beam is wide."""
        by_text: dict[str, list[Hypothesis]] = {}
        for hypothesis in hypotheses:
            by_text.setdefault(self.text(hypothesis), []).append(hypothesis)
        merged = []
        for same in by_text.values():
            best = max(same, key=lambda hypothesis: hypothesis.score)
            total = math.log(sum(math.exp(each.score - best.score) for each in same))
            merged.append(replace(best, score=best.score + total))
        return [merged[k] for k in self.in_order(each.score for each in merged)][: self.rules.width]

    def pruned(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        def each(hypothesis: Hypothesis) -> float:
            return hypothesis.score / (1 + len(hypothesis.tokens))

        bound = each(hypotheses[0]) - self.rules.prune_within
        return [h for h in hypotheses if self.rules.prune_within < 0 or self.above(each(h), bound)]

    def without_old(self, hypotheses: list[Hypothesis], now: int) -> list[Hypothesis]:
        """Those that do not disagree with the best about what is long past."""
        best = hypotheses[0]

        def old(hypothesis: Hypothesis) -> tuple[int, ...]:
            return tuple(
                token
                for token, frame in zip(hypothesis.tokens, hypothesis.frames, strict=True)
                if now - frame > self.rules.frames_open
            )

        agreeing = [h for h in hypotheses if best.tokens[: len(old(h))] == old(h)]
        most = max(len(old(h)) for h in agreeing)
        return [h for h in agreeing if h.tokens[:most] == best.tokens[:most]]

    def settle(self) -> Frame:
        """Settles what all hypotheses have in common."""
        best, end = self.hypotheses[0], self.settled
        while all(h.tokens[end : end + 1] == best.tokens[end : end + 1] != () for h in self.hypotheses):
            end += 1
        begin, self.settled = self.settled, end
        return Frame(part(best, begin, end), [part(h, end, len(h.tokens)) for h in self.hypotheses])


def part(hypothesis: Hypothesis, begin: int, end: int) -> Hypothesis:
    """Some of its tokens."""
    return Hypothesis(
        hypothesis.score,
        hypothesis.tokens[begin:end],
        hypothesis.frames[begin:end],
        hypothesis.probabilities[begin:end],
    )
