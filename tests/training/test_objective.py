"""The losses teach a network what was said, and the schedules are fractions of a run."""

import numpy as np
import pytest
import torch
from gharial_asr.config import RnntConfig
from gharial_training.fitting.batches import Batch, Item, group_by_length
from gharial_training.fitting.evaluation import ctc_labels
from gharial_training.fitting.objective import Trainee, update_average
from gharial_training.fitting.recipe import Band, Schedule
from gharial_training.fitting.schedule import Clock, learning_rate

CONFIG = RnntConfig.model_validate(
    {
        "rnnt": {
            "enc_n_hid": 24,
            "enc_pre_rnn_layers": 1,
            "enc_post_rnn_layers": 1,
            "pred_n_hid": 16,
            "joint_n_hid": 24,
        },
        "tokenizer": {"vocab_size": 4},
    }
)


def _batch() -> Batch:
    """Two utterances whose labels can be read off the inputs: a label lights up its own features for two steps."""
    labels = torch.tensor([[0, 1, 2], [3, 1, -1]])
    inputs = torch.zeros(2, 16, 240)
    for b, t, label in ((0, 2, 0), (0, 6, 1), (0, 12, 2), (1, 2, 3), (1, 6, 1)):
        inputs[b, t : t + 2, label * 60 : label * 60 + 60] = 1.0
    return Batch(inputs, torch.tensor([8, 5]), labels, torch.tensor([3, 2]), seconds=0.78)


def test_both_losses_fall_until_the_labels_are_known() -> None:
    torch.manual_seed(0)
    model, batch = Trainee(CONFIG), _batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(150):
        transducer, ctc = model.losses(batch, 1.0 if step < 60 else 0.3, Band())
        optimizer.zero_grad()
        (transducer + ctc).backward()
        optimizer.step()
    assert transducer.item() < 0.5
    assert float(ctc) < 0.5
    lengths = (2 * steps for steps in batch.steps_B.tolist())
    inputs = [row[:length] for row, length in zip(batch.inputs_BSF, lengths, strict=True)]
    assert ctc_labels(model.eval(), inputs) == [[0, 1, 2], [3, 1]]


def test_while_the_encoder_learns_alone_nothing_else_gets_a_gradient() -> None:
    model = Trainee(CONFIG)
    transducer, ctc = model.losses(_batch(), 1.0, Band())
    assert float(transducer) == 0
    ctc.backward()
    learning = {name for name, value in model.named_parameters() if value.grad is not None}
    assert learning == {name for name, _ in model.named_parameters() if name.startswith(("rnnt.encoder", "ctc"))}


def test_forget_gates_begin_open() -> None:
    bias = dict(Trainee(CONFIG).named_parameters())["rnnt.encoder.pre_rnn.lstm.bias_ih_l0"]
    assert torch.equal(bias[24:48], torch.ones(24))


def test_the_average_follows_slowly_once_it_is_old() -> None:
    model = torch.nn.Linear(1, 1)
    average = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    torch.nn.init.ones_(model.weight)
    update_average(average, model, 0.999, step=1_000_000)
    assert float(average["weight"]) == pytest.approx(0.001)
    update_average(average, model, 0.999, step=0)
    assert float(average["weight"]) > 0.9


def test_the_learning_rate_rises_holds_and_falls_to_its_end() -> None:
    schedule = Schedule(warm_up=0.1, hold=0.5, learning_rate=1e-2, final_learning_rate=1e-4)
    rates = [learning_rate(p, schedule) for p in (0.05, 0.1, 0.49, 0.75, 1.0)]
    assert rates == pytest.approx([5e-3, 1e-2, 1e-2, 1e-3, 1e-4])


def test_progress_goes_from_where_a_run_was_resumed_to_one() -> None:
    clock = Clock(minutes=10, begin=0.4, started=100.0)
    assert [clock.progress(100.0 + s) for s in (0, 300, 600, 900)] == pytest.approx([0.4, 0.7, 1.0, 1.0])


def test_steps_hold_as_much_padded_audio_as_allowed() -> None:
    items = [Item("x", int(16000 * s)) for s in np.linspace(1, 5, 41)]
    groups = list(group_by_length(items, 20))
    assert [item for group in groups for item in group] == items
    for group in groups:
        assert len(group) * max(item.samples for item in group) <= 20 * 16000


def test_an_utterance_longer_than_a_step_comes_alone() -> None:
    assert [len(g) for g in group_by_length([Item("x", 16000), Item("y", 160000)], 5)] == [1, 1]
