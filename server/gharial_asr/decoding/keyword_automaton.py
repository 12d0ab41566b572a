"""The automaton that follows keywords token by token.

It is that of A. Aho and M. Corasick (1975) over token ids: a state is the longest end of what was said that begins a
phrase. docs/reference/keywords.md explains what is granted when, and when it is given back.
"""

from collections import OrderedDict, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gharial_asr.keywords import Keywords

# Lists that a runner remembers.
MOST_LISTS = 64
# States that are worked on at a time, where others wait.
_PIECE = 256


class Spelling(Protocol):
    """What keywords need of a tokenizer."""

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text of each token."""

    def spellings(self, text: str) -> list[tuple[int, ...]]:
        """The likely ways to write a text in tokens, the best first. Raises ValueError for unknown characters."""


@dataclass
class _Node:
    """A beginning of phrases. characters: its length; longer: the highest boost of a phrase that goes on from here;
    total: what is granted for phrases that end here, the shorter ones at its end included."""

    characters: int = 0
    longer: float = 0.0
    total: float = 0.0
    fallback: int = 0
    children: dict[int, int] = field(default_factory=dict)

    @property
    def advance(self) -> float:
        """What a phrase that is under way has been granted already. Less readily heard ones get nothing in advance."""
        return max(self.longer, 0.0) * self.characters


@dataclass(frozen=True)
class Automaton:
    """Flat arrays over Q states, of which 0 is the root, and their E edges.

    advance float32 (Q,): what the phrase under way has been granted.
    starts int64 (Q + 1,): where each state's edges begin, and the last one's end.
    tokens, targets int64 and gains float32 (E,): of each edge.
    leaves bool (E,): whether an edge gives up the phrase under way.
    A token for which a state has no edge takes the root's, and without one there the root follows.
    """

    advance: NDArray[np.float32]
    starts: NDArray[np.int64]
    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]
    gains: NDArray[np.float32]
    leaves: NDArray[np.bool_]


def compile_keywords(keywords: Keywords, tokenizer: Spelling) -> Automaton:
    """The automaton of keywords. Raises ValueError for a phrase that the model cannot write."""
    work = _compiling(keywords, tokenizer)
    while True:
        try:
            next(work)
        except StopIteration as done:
            automaton: Automaton = done.value
            return automaton


def _compiling(keywords: Keywords, tokenizer: Spelling) -> Generator[None, None, Automaton]:
    """`compile_keywords` in pieces of a millisecond or two."""
    nodes = [_Node()]
    for phrase, boost in keywords:
        for spelling in tokenizer.spellings(phrase):
            _insert(nodes, spelling, boost, tokenizer.pieces)
        yield
    order = yield from _link(nodes)
    edges = yield from _edges(nodes, order)
    tokens, targets, gains, leaves = [], [], [], []
    for number, of_node in enumerate(edges):
        for token, (target, gain, leaving) in sorted(of_node.items()):
            tokens.append(token)
            targets.append(target)
            gains.append(gain)
            leaves.append(leaving)
        if number % _PIECE == 0:
            yield
    counts, advance = [len(each) for each in edges], [node.advance for node in nodes]
    yield
    starts, x_tokens = np.cumsum([0, *counts], dtype=np.int64), np.array(tokens, np.int64)
    yield
    x_targets, x_gains = np.array(targets, np.int64), np.array(gains, np.float32)
    yield
    return Automaton(np.array(advance, np.float32), starts, x_tokens, x_targets, x_gains, np.array(leaves, np.bool_))


class KeywordCompiler:
    """Compiles keywords, each list once: streams of one application bring the same."""

    def __init__(self, tokenizer: Spelling | None) -> None:
        """tokenizer: None for a model without one, which has no keywords either."""
        self._tokenizer = tokenizer
        self._compiled: OrderedDict[Keywords, Automaton] = OrderedDict()

    def compile(self, keywords: Keywords) -> Automaton:
        """The automaton of keywords. Raises ValueError for a phrase that the model cannot write."""
        for _ in self.compiling(keywords):
            pass
        return self._compiled[keywords]

    def compiling(self, keywords: Keywords) -> Iterator[None]:
        """Does what `compile` does in pieces of a millisecond or two; `compile` then has nothing left to do."""
        if self._tokenizer is None:
            raise ValueError("the model has no tokenizer, which keywords need; serve a trained checkpoint")
        automaton = self._compiled.get(keywords)
        if automaton is None:
            automaton = yield from _compiling(keywords, self._tokenizer)
        self._compiled[keywords] = automaton
        self._compiled.move_to_end(keywords)
        if len(self._compiled) > MOST_LISTS:
            self._compiled.popitem(last=False)


def _insert(nodes: list[_Node], spelling: Sequence[int], boost: float, pieces: Sequence[str]) -> None:
    at = 0
    for number, token in enumerate(spelling):
        following = nodes[at].children.get(token)
        if following is None:
            following = nodes[at].children[token] = len(nodes)
            nodes.append(_Node(nodes[at].characters + len(pieces[token])))
        at = following
        if number < len(spelling) - 1:
            nodes[at].longer = max(nodes[at].longer, boost)
    nodes[at].total += boost * nodes[at].characters


def _link(nodes: list[_Node]) -> Generator[None, None, list[int]]:
    """Finds every node's fallback, the longest end of it that is a node, and adds up totals. Nodes, shorter first."""
    order: list[int] = []
    waiting = deque([0])
    while waiting:
        at = waiting.popleft()
        order.append(at)
        if len(order) % _PIECE == 0:
            yield
        for token, child in nodes[at].children.items():
            waiting.append(child)
            if at != 0:
                nodes[child].fallback = _follow(nodes, nodes[at].fallback, token)
                nodes[child].total += nodes[nodes[child].fallback].total
    return order


def _follow(nodes: list[_Node], at: int, token: int) -> int:
    while token not in nodes[at].children:
        if at == 0:
            return 0
        at = nodes[at].fallback
    return nodes[at].children[token]


def _edges(nodes: list[_Node], order: list[int]) -> Generator[None, None, list[dict[int, tuple[int, float, bool]]]]:
    """Of every node, by token: target, gain, and whether the phrase under way is given up."""
    edges: list[dict[int, tuple[int, float, bool]]] = [{} for _ in nodes]
    for number, at in enumerate(order):
        if number % _PIECE == 0:
            yield
        node = nodes[at]
        if node.fallback != 0:
            for token, (target, _, _) in edges[node.fallback].items():
                edges[at][token] = (target, nodes[target].total + nodes[target].advance, True)
        for token, target in node.children.items():
            gain = nodes[target].total + nodes[target].advance - node.advance
            edges[at][token] = (target, gain, False)
    return edges
