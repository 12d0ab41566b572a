"""A model with an end-of-utterance token of its own, through the whole recogniser."""

import io
from dataclasses import replace
from functools import cache

import pytest
import sentencepiece
from gharial_asr.building import build_runner
from gharial_asr.compilation import CompiledModel, compile_checkpoint
from gharial_asr.decoding.settings import DecoderName, DecoderSettings
from gharial_asr.endpointing import EOS_PIECE, EndpointSettings
from gharial_asr.offline import Transcription, transcribe
from gharial_asr.recognition import Recognition
from gharial_asr.resets import ResetSettings
from gharial_asr.tokenizer import Tokenizer
from tiny_models import PIECES, TINY_TEXT, babble, tiny_checkpoint


@cache
def model() -> CompiledModel:
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TINY_TEXT * 5), model_writer=file, vocab_size=PIECES, character_coverage=1.0,
        unk_id=0, bos_id=-1, eos_id=-1, user_defined_symbols=[EOS_PIECE], minloglevel=2,
    )  # fmt: skip
    checkpoint = replace(tiny_checkpoint(1), tokenizer=Tokenizer(file.getvalue()))
    checkpoint.state_dict["joint_net.2.bias"][checkpoint.tokenizer.pieces.index(EOS_PIECE)] += 12.0
    return compile_checkpoint(checkpoint, "int8")


def decoded(endpointing: EndpointSettings, decoder: DecoderName = "greedy", resets: bool = False) -> Transcription:
    decoding = DecoderSettings(decoder=decoder)
    recognition = Recognition(ResetSettings(2.4, 1.2) if resets else None, endpointing, decoding)
    runner = build_runner(model(), 1, recognition)
    return next(transcribe(runner, model(), [babble(6, seed=3)], endpointing=endpointing))[1]


@pytest.mark.parametrize(("decoder", "resets"), [("greedy", False), ("beam", False), ("greedy", True)])
def test_the_three_modes_decode_alike_and_differ_in_what_they_show(decoder: DecoderName, resets: bool) -> None:
    eos = model().pieces.index(EOS_PIECE)
    shown = decoded(EndpointSettings("stream"), decoder, resets)
    hidden = decoded(EndpointSettings("classic"), decoder, resets)
    ended = decoded(EndpointSettings("terminal"), decoder, resets)
    assert eos in shown.tokens
    assert EOS_PIECE in shown.transcript
    assert hidden.tokens == tuple(token for token in shown.tokens if token != eos)
    assert EOS_PIECE not in hidden.transcript
    assert ended.tokens == shown.tokens[: shown.tokens.index(eos) + 1]
    assert (shown.endpoint, hidden.endpoint, ended.endpoint) == (None, None, "eos")
    assert ended.encoder_frames < shown.encoder_frames
    for result in (shown, hidden, ended):
        assert not any(EOS_PIECE in word.text for word in result.words)


def test_a_multiplier_makes_the_end_rarer() -> None:
    eager = decoded(EndpointSettings("terminal"))
    careful = decoded(EndpointSettings("terminal", eos_multiplier=50.0))
    assert eager.endpoint == "eos"
    assert careful.encoder_frames > eager.encoder_frames
