"""n-grams of random numbers."""

import itertools
from collections.abc import Sequence

import numpy as np


def arpa(order: int, words: Sequence[str], seed: int = 0) -> bytes:
    """An n-gram of random numbers over some words, with some of all sequences of each length."""
    random = np.random.default_rng(seed)
    counted = [["<unk>", "<s>", "</s>", *words]]
    for _ in range(1, order):
        known = set(counted[-1])
        longer = [f"{before} {word}" for before, word in itertools.product(counted[-1], words) if before != "</s>"]
        # Who has an n-gram has its end too: KenLM allows few exceptions.
        counted.append([each for each in longer if random.random() < 0.7 and each.split(" ", 1)[1] in known])
    lines = ["\\data\\", *(f"ngram {n + 1}={len(each)}" for n, each in enumerate(counted))]
    for n, each in enumerate(counted):
        lines += ["", f"\\{n + 1}-grams:"]
        for ngram in each:
            backoff = f"\t{-random.uniform(0, 1):.4f}" if n + 1 < order else ""
            lines.append(f"{-random.uniform(0.1, 3):.4f}\t{ngram}{backoff}")
    return "\n".join([*lines, "", "\\end\\", ""]).encode()
