"""A stream that the engine ends by itself, on the starter model."""

import queue
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gharial_asr.audio import read_audio
from gharial_asr.building import build_runner
from gharial_asr.compilation import load_model
from gharial_asr.endpointing import EndpointSettings
from gharial_asr.offline import transcribe
from gharial_server.engine.batching import BatchingEngine
from gharial_server.engine.interface import Answer, Event, ModelInfo

STARTER = Path(__file__).parents[3] / "models/starter"
PATIENCE = 60.0


def test_silence_ends_a_stream_and_frees_its_slot_in_the_engine_as_offline() -> None:
    model = load_model(STARTER / "starter.gharial", "int8")
    said = read_audio(STARTER / "samples/digits-jackson-000.flac")
    samples = np.concatenate((said, np.zeros(40_000, np.float32), said))
    ending = EndpointSettings(silence_seconds=1.5)
    events: queue.Queue[Event] = queue.Queue()

    def sink(batch: Sequence[tuple[int, Event]]) -> None:
        for _, event in batch:
            events.put(event)

    runner = build_runner(model, 1)
    engine = BatchingEngine(runner, model.tokenizer.pieces, ModelInfo(*"abcde"), endpointing=ending)
    engine.open(sink).push(samples)
    answers: list[Answer] = []
    while not answers or not answers[-1].closing:
        event = events.get(timeout=PATIENCE)
        assert isinstance(event, Answer)
        answers.append(event)
    engine.open(sink).close()
    engine.stop()

    assert [answer.endpoint for answer in answers] == [None] * (len(answers) - 1) + ["silence"]
    offline = next(transcribe(build_runner(model, 1), model, [samples], endpointing=ending))[1]
    assert offline.endpoint == "silence"
    assert offline.encoder_frames == len(answers) < len(samples) / 960
    assert "".join(answer.alternatives[0].transcript for answer in answers).strip() == offline.transcript
    assert len(offline.words) >= 4
    assert round(answers[-1].end - offline.words[-1].end, 6) == 1.5
