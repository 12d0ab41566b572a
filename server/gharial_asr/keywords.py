"""Phrases that a stream is to hear more, or less, readily, and the automaton that follows them token by token.

The automaton is that of A. Aho and M. Corasick (1975) over token ids: a state is the longest end of what was said that
begins a phrase. docs/reference/keywords.md explains what is granted when, and when it is given back.
"""

import json
import math
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MOST_PHRASES = 500
MOST_CHARACTERS = 100
MOST_BOOST = 10.0
# Lists that a runner remembers.
MOST_LISTS = 64

Keywords = tuple[tuple[str, float], ...]
"""Phrases, each with its boost: a natural logarithm per character, above 0 for more and below 0 for less."""


class Spelling(Protocol):
    """What keywords need of a tokenizer."""

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text of each token."""

    def spellings(self, text: str) -> list[tuple[int, ...]]:
        """The likely ways to write a text in tokens, the best first. Raises ValueError for unknown characters."""


def checked(phrases: Mapping[str, float]) -> Keywords:
    """Keywords in a fixed order, with single spaces. Raises ValueError that names the phrase and the remedy."""
    if len(phrases) > MOST_PHRASES:
        raise ValueError(f"{len(phrases)} keywords; give at most {MOST_PHRASES}")
    found: dict[str, float] = {}
    for phrase, boost in phrases.items():
        text = " ".join(phrase.split())
        if not text or len(text) > MOST_CHARACTERS:
            raise ValueError(f"keyword {phrase[:20]!r} has {len(text)} characters; give 1 to {MOST_CHARACTERS}")
        if text in found:
            raise ValueError(f"keyword {text!r} is given twice; give each phrase once")
        if not math.isfinite(boost) or not 0 < abs(boost) <= MOST_BOOST:
            raise ValueError(f"keyword {text!r} has boost {boost}; give -{MOST_BOOST:g} to {MOST_BOOST:g} and not 0")
        found[text] = float(boost)
    return tuple(sorted(found.items()))


def to_bytes(keywords: Keywords) -> bytes:
    """As they travel: a JSON object, nothing for none."""
    return json.dumps(dict(keywords)).encode() if keywords else b""


def from_bytes(data: bytes) -> Keywords:
    """Keywords as they travel. Raises ValueError."""
    return _checked_object(json.loads(data) if data else {})


def check_characters(keywords: Keywords, pieces: Sequence[str]) -> None:
    """Raises ValueError for a phrase with characters that no piece has."""
    known = {character for piece in pieces for character in piece} | {" "}
    for phrase, _ in keywords:
        if strange := sorted(set(phrase) - known):
            raise ValueError(
                f"keyword {phrase!r} has {', '.join(map(repr, strange))}, which the model never writes; "
                "spell it as transcripts are spelt"
            )


def read_keywords(path: Path) -> Keywords:
    """Keywords from a JSON file: {"keywords": {"phrase": boost}}. Raises ValueError, OSError."""
    try:
        phrases = json.loads(path.read_text())["keywords"]
    except (ValueError, KeyError, TypeError) as error:
        form = '{"keywords": {"gharial": 1.0}}'
        raise ValueError(f"{path} holds no keywords ({error!r}); it must look like {form}") from error
    return _checked_object(phrases)


def _checked_object(phrases: object) -> Keywords:
    """Keywords from what a JSON text held."""
    if not isinstance(phrases, dict) or not all(isinstance(boost, int | float) for boost in phrases.values()):
        raise ValueError("keywords must be an object of phrases, each with a number: its boost")
    return checked(phrases)


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
    nodes = [_Node()]
    for phrase, boost in keywords:
        for spelling in tokenizer.spellings(phrase):
            _insert(nodes, spelling, boost, tokenizer.pieces)
    edges = _edges(nodes, _link(nodes))
    return Automaton(
        np.array([node.advance for node in nodes], np.float32),
        np.cumsum([0, *(len(each) for each in edges)], dtype=np.int64),
        np.array([token for each in edges for token in sorted(each)], np.int64),
        np.array([each[token][0] for each in edges for token in sorted(each)], np.int64),
        np.array([each[token][1] for each in edges for token in sorted(each)], np.float32),
        np.array([each[token][2] for each in edges for token in sorted(each)], np.bool_),
    )


class KeywordCompiler:
    """Compiles keywords, each list once: streams of one application bring the same."""

    def __init__(self, tokenizer: Spelling | None) -> None:
        """tokenizer: None for a model without one, which has no keywords either."""
        self._tokenizer = tokenizer
        self._compiled: OrderedDict[Keywords, Automaton] = OrderedDict()

    def compile(self, keywords: Keywords) -> Automaton:
        """The automaton of keywords. Raises ValueError for a phrase that the model cannot write."""
        if self._tokenizer is None:
            raise ValueError("the model has no tokenizer, which keywords need; serve a trained checkpoint")
        automaton = self._compiled.get(keywords) or compile_keywords(keywords, self._tokenizer)
        self._compiled[keywords] = automaton
        self._compiled.move_to_end(keywords)
        if len(self._compiled) > MOST_LISTS:
            self._compiled.popitem(last=False)
        return automaton


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


def _link(nodes: list[_Node]) -> list[int]:
    """Finds every node's fallback, the longest end of it that is a node, and adds up totals. Nodes, shorter first."""
    order: list[int] = []
    waiting = deque([0])
    while waiting:
        at = waiting.popleft()
        order.append(at)
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


def _edges(nodes: list[_Node], order: list[int]) -> list[dict[int, tuple[int, float, bool]]]:
    """Of every node, by token: target, gain, and whether the phrase under way is given up."""
    edges: list[dict[int, tuple[int, float, bool]]] = [{} for _ in nodes]
    for at in order:
        node = nodes[at]
        if node.fallback != 0:
            for token, (target, _, _) in edges[node.fallback].items():
                edges[at][token] = (target, nodes[target].total + nodes[target].advance, True)
        for token, target in node.children.items():
            gain = nodes[target].total + nodes[target].advance - node.advance
            edges[at][token] = (target, gain, False)
    return edges
