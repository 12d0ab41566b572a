"""Keywords in tables of fixed size against those of the processor."""

import numpy as np
import pytest
import torch
from gharial_asr.compilation import CompiledModel, load_model
from gharial_asr.decoding.boosting import Booster
from gharial_asr.decoding.keyword_automaton import Automaton, compile_keywords
from gharial_asr.decoding.settings import BEAM, GREEDY, DecoderSettings
from gharial_asr.device.keywords import DeviceKeywords, Room
from gharial_asr.device.runner import DeviceModel
from gharial_asr.keywords import checked
from gharial_asr.runner import LocalRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from spelling import Spelt
from starter_keywords import SIX, STARTER, decode

HERE = torch.device("cpu")
PIECES = (" a", "b", " ab", "c", " c", "ba", "a")
CLASSES = len(PIECES) + 1
SPELT = Spelt(PIECES)
PHRASES = st.dictionaries(
    st.sampled_from(["a", "ab", "aba", "abc", "c", "ab c", "c ab", "aba c", "ca", "a a a"]),
    st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
    max_size=6,
)
SMALL = Room(states=300, edges=900, dense=40, narrow=2)


def automaton(phrases: dict[str, float]) -> Automaton | None:
    return compile_keywords(checked(phrases), SPELT) if phrases else None


@settings(max_examples=80, deadline=None, derandomize=True)
@given(lists=st.lists(PHRASES, min_size=3, max_size=3), later=PHRASES, seed=st.integers(0, 2**30))
def test_rows_gain_what_they_gain_on_the_processor(
    lists: list[dict[str, float]], later: dict[str, float], seed: int
) -> None:
    booster, keywords = Booster(4, CLASSES), DeviceKeywords(4, CLASSES, HERE, dense=True, room=SMALL)
    generator = torch.Generator().manual_seed(seed)
    automata = [*map(automaton, lists), None]
    for slot, given_at in [*enumerate(automata), (1, automaton(later))]:
        for each in (booster, keywords):
            each.assign(slot, given_at)
        automata[slot] = given_at
        keywords.renew()
    assert keywords.idle == booster.idle
    slots_R = torch.randint(0, 4, (12,), generator=generator)
    sizes = [1 if each is None else len(each.advance) for each in automata]
    states_R = torch.tensor([int(torch.randint(0, sizes[slot], (1,), generator=generator)) for slot in slots_R])
    tokens_R = torch.randint(0, CLASSES - 1, (12,), generator=generator)
    logits_RK = torch.randn(12, CLASSES, generator=generator)
    here = slots_R, states_R
    assert torch.equal(keywords.boosted(logits_RK, *here), booster.boosted(logits_RK, *here))
    if not booster.idle:
        assert torch.equal(keywords.gain(*here, tokens_R), booster.gains(*here, tokens_R))
        assert torch.equal(keywords.next(*here, tokens_R), booster.next(*here, tokens_R))


def test_a_list_without_room_is_refused_with_the_remedy_and_leaves_the_others_alone() -> None:
    keywords = DeviceKeywords(2, CLASSES, HERE, dense=True, room=Room(states=9, edges=20, dense=3, narrow=4))
    keywords.assign(0, automaton({"ab": 1.0}))
    with pytest.raises(ValueError, match="let streams share lists, shorten them, or serve with --backend cpu"):
        keywords.assign(1, automaton({"aba c": 1.0, "a a a": 0.5}))
    keywords.renew()
    gain = keywords.gain(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([2, 2]))
    assert gain.tolist() == [3.0, 0.0]
    keywords.assign(0, None)
    assert keywords.idle


@pytest.fixture(scope="module")
def model() -> CompiledModel:
    return load_model(STARTER / "starter.gharial", "float32")


@pytest.mark.parametrize(("told", "boost"), [(GREEDY, 0.5), (BEAM, 1.0)])
def test_real_digits_are_boosted_as_on_the_processor(model: CompiledModel, told: DecoderSettings, boost: float) -> None:
    six = (("six", boost), ("nine zero", 0.2))
    expected = decode(LocalRunner(model, 3, told), [(), six, SIX])
    found = decode(DeviceModel(model, HERE, "float32", told).with_slots(3), [(), six, SIX])
    for here, there in zip(found, expected, strict=True):
        assert (here.tokens, here.frames) == (there.tokens, there.frames)
        assert np.allclose(here.probabilities, there.probabilities, atol=1e-5)
    assert expected[0].tokens != expected[1].tokens
