"""From a model and settings to a runner."""

from gharial_asr.compilation import CompiledModel
from gharial_asr.endpointing import eos_token
from gharial_asr.inference.eos_logits import EosLogits
from gharial_asr.lanes import LaneRunner
from gharial_asr.memory import give_back_free_memory
from gharial_asr.recognition import PLAIN, Recognition
from gharial_asr.runner import LoadedModel, LocalRunner, Runner


def build_runner(model: CompiledModel, slots: int, recognition: Recognition = PLAIN) -> Runner:
    """A runner in this process. Raises ValueError when the settings do not fit the model."""
    return with_recognition(LocalRunner(model, 1, recognition.decoder), model, slots, recognition)


def with_recognition(plain: LoadedModel, model: CompiledModel, slots: int, recognition: Recognition) -> Runner:
    """A runner for a number of streams on weights that are loaded, for the same decoder."""
    give_back_free_memory()
    eos = eos_token(model.tokenizer.pieces, recognition.endpointing)
    if eos is not None and recognition.endpointing.changes_logits:
        plain.change_logits(lambda product: EosLogits(product, eos, recognition.endpointing))
    if recognition.resets is None:
        return plain.with_slots(slots)
    steps = recognition.resets.steps(plain.step_samples / model.config.input_val.filterbank_features.sample_rate)
    return LaneRunner(plain.with_slots(2 * slots), model.tokenizer.pieces, steps)
