"""The targets of the fuzzer: what was found once, and always the same mutations; `make fuzz` goes on longer."""

import random

import pytest
from fuzzing.corpus import found, seeds
from fuzzing.targets import TARGETS

MUTATIONS = {"request": 6000, "answer": 6000, "stream": 3000, "codec": 150}


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_stays_repaired(target: str) -> None:
    for path in found(target):
        TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_no_mutation_of_a_valid_input_breaks_a_promise(target: str) -> None:
    chance = random.Random(target)
    inputs = seeds(target)
    for _ in range(MUTATIONS[target]):
        TARGETS[target](mutated(chance.choice(inputs), chance.choice(inputs), chance))


def mutated(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The input with a few bytes changed, cut out, doubled or taken from another input."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice([1, 1, 2, 4, 32])
        kind = chance.randrange(4)
        if kind == 0:
            changed[at : at + length] = chance.randbytes(min(length, len(changed) - at))
        elif kind == 1:
            del changed[at : at + length]
        elif kind == 2:
            changed[at:at] = changed[at : at + length]
        else:
            begin = chance.randrange(len(other))
            changed[at:at] = other[begin : begin + length]
    return bytes(changed)
