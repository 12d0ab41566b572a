"""The network's parameters have the documented names, and its state makes a stream equal to the whole."""

import pytest
import torch
from gharial_asr.config import RnntConfig
from gharial_asr.model import START, Rnnt, parameter_shapes

CONFIG = RnntConfig.model_validate(
    {
        "rnnt": {"enc_n_hid": 12, "enc_post_rnn_layers": 3, "pred_n_hid": 10, "pred_rnn_layers": 2, "joint_n_hid": 14},
        "tokenizer": {"vocab_size": 19},
    }
)


@pytest.fixture(scope="module")
def model() -> Rnnt:
    torch.manual_seed(0)
    return Rnnt(CONFIG).eval()


def test_parameters_have_the_names_of_the_hardware_checkpoint() -> None:
    names = set(parameter_shapes(CONFIG))
    lstm = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    expected = {f"encoder.pre_rnn.lstm.{kind}_l{i}" for kind in lstm for i in range(2)}
    expected |= {f"encoder.post_rnn.lstm.{kind}_l{i}" for kind in lstm for i in range(3)}
    expected |= {f"prediction.dec_rnn.lstm.{kind}_l{i}" for kind in lstm for i in range(2)}
    expected |= {f"{name}.{kind}" for name in ("joint_pred", "joint_enc", "joint_net.2") for kind in ("weight", "bias")}
    assert names == expected | {"prediction.embed.weight"}


def test_shapes_follow_the_configuration() -> None:
    shapes = parameter_shapes(CONFIG)
    assert shapes["encoder.pre_rnn.lstm.weight_ih_l0"] == (48, 240)
    assert shapes["encoder.post_rnn.lstm.weight_ih_l0"] == (48, 24)
    assert shapes["prediction.embed.weight"] == (19, 10)
    assert shapes["joint_net.2.weight"] == (20, 14)


def test_an_encoder_fed_in_steps_gives_what_it_gives_on_the_whole(model: Rnnt) -> None:
    x = torch.randn(3, 20, 240)
    with torch.no_grad():
        whole, end = model.encode(x)
        state, parts = None, []
        for at in range(0, 20, 2):
            part, state = model.encode(x[:, at : at + 2], state)
            parts.append(part)
    assert state is not None
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)
    assert torch.allclose(state.post.cell, end.post.cell, atol=1e-6)


def test_the_encoder_refuses_half_a_step(model: Rnnt) -> None:
    with pytest.raises(ValueError, match="pad the audio"):
        model.encode(torch.randn(1, 3, 240))


def test_the_start_of_sequence_is_the_zero_vector_and_not_a_row_of_the_embedding(model: Rnnt) -> None:
    with torch.no_grad():
        started, _ = model.predict(torch.tensor([[START]]))
        fed, _ = model.prediction.dec_rnn(torch.zeros(1, 1, 10), model.prediction.zero_state(1))
        first, _ = model.predict(torch.tensor([[0]]))
    assert torch.allclose(started, model.joint_pred(fed))
    assert not torch.allclose(started, first)


def test_stacked_inputs_must_fit_the_filters() -> None:
    rnnt = {"in_feats": 200, "enc_n_hid": 8, "enc_post_rnn_layers": 1, "pred_n_hid": 8, "joint_n_hid": 8}
    with pytest.raises(ValueError, match="n_filt x frame_stacking is 240"):
        RnntConfig.model_validate({"rnnt": rnnt, "tokenizer": {"vocab_size": 7}})
