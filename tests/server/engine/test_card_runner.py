"""The same engine with its arithmetic on a card: a real host behind a real Unix socket."""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from cards import TestCard
from gharial_asr.artefact import file_digest, write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.decoding.settings import BEAM, DecoderSettings
from gharial_asr.keywords import Keywords, checked
from gharial_asr.recognition import PLAIN, Recognition
from gharial_asr.resets import ResetSettings
from gharial_server.engine.backends import BackendSettings
from gharial_server.engine.build import build_engine
from gharial_server.engine.card import CardRunner
from gharial_server.engine.interface import Answer, Engine, Event, Failed, Stream
from gharial_simcard.host import CardHost
from gharial_wire.card_channel import CardChannel
from gharial_wire.card_protocol import CardError, Code, Offer, Wanted
from tiny_models import babble, tiny_checkpoint

PATIENCE = 60.0


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gharial"
    write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), path)
    return path


@pytest.fixture
def card() -> TestCard:
    return TestCard()


@pytest.fixture
def socket_path(tmp_path: Path, card: TestCard) -> Iterator[Path]:
    host = CardHost(tmp_path / "card" / "card.sock", tmp_path / "cache", card)
    host.start()
    yield tmp_path / "card" / "card.sock"
    host.stop()


def open_stream(engine: Engine, keywords: Keywords = ()) -> tuple[Stream, "queue.Queue[Event]"]:
    events: queue.Queue[Event] = queue.Queue()

    def sink(batch: Sequence[tuple[int, Event]]) -> None:
        for _, event in batch:
            events.put(event)

    return engine.open(sink, keywords), events


def recognise(engine: Engine, seconds: float = 4.0, keywords: Keywords = ()) -> list[Event]:
    stream, events = open_stream(engine, keywords)
    stream.push(babble(seconds))
    stream.finish()
    answers: list[Event] = []
    while not answers or not (isinstance(answers[-1], Failed) or answers[-1].closing):
        answers.append(events.get(timeout=PATIENCE))
    return answers


def engine_on(
    backend: str,
    model: Path,
    socket_path: Path | None = None,
    capacity: int | None = 4,
    recognition: Recognition = PLAIN,
) -> Engine:
    settings = BackendSettings(model, capacity, card_socket=socket_path, recognition=recognition)
    return build_engine(backend, settings, "general", "v1", "en")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_engine_on_a_card_equals_the_engine_on_the_processor(artefact: Path, socket_path: Path) -> None:
    on_card, on_cpu = engine_on("card", artefact, socket_path), engine_on("cpu", artefact)
    assert recognise(on_card) == recognise(on_cpu)
    assert on_card.model.digest == on_cpu.model.digest
    on_card.stop()
    on_cpu.stop()


@pytest.mark.parametrize(
    "told",
    [
        Recognition(resets=ResetSettings(2.4, 1.2)),
        Recognition(decoder=BEAM),
        Recognition(decoder=DecoderSettings("beam", beam_width=2), resets=ResetSettings(2.4, 1.2)),
    ],
)
def test_a_card_is_told_how_streams_are_decoded(artefact: Path, socket_path: Path, told: Recognition) -> None:
    on_card = engine_on("card", artefact, socket_path, recognition=told)
    on_cpu, plain = engine_on("cpu", artefact, recognition=told), engine_on("cpu", artefact)
    assert recognise(on_card, 6.0) == recognise(on_cpu, 6.0) != recognise(plain, 6.0)
    for engine in (on_card, on_cpu, plain):
        engine.stop()


def test_a_card_gets_a_streams_keywords_and_refuses_those_it_cannot_write(artefact: Path, socket_path: Path) -> None:
    keywords = checked({"quick": 3.0, "streams of words": 2.0})
    engines = [engine_on("card", artefact, socket_path), engine_on("cpu", artefact)]
    answers = [recognise(engine, keywords=keywords) for engine in engines]
    assert answers[0] == answers[1] != recognise(engines[1])
    for engine in engines:
        with pytest.raises(ValueError, match="which the model never writes"):
            engine.keyword_rules.check((("Ö", 1.0),))
        assert isinstance(recognise(engine, keywords=(("Ö", 1.0),))[-1], Failed)
        assert isinstance(recognise(engine, 0.3)[-1], Answer)
        engine.stop()


def test_settings_that_a_card_does_not_know_are_refused_with_the_place(artefact: Path, socket_path: Path) -> None:
    CardRunner(socket_path, artefact, 1).close()
    channel = CardChannel.connect(socket_path, PATIENCE)
    channel.hello("test")
    with pytest.raises(CardError, match=r"FAILED: recognition settings: future: .*use releases that fit together"):
        channel.ask(Offer(file_digest(artefact), artefact.stat().st_size, 1, '{"future": 1}'), Wanted)
    channel.close()


def test_the_card_says_how_many_streams_it_carries_and_reports_those_it_runs(
    artefact: Path, socket_path: Path, card: TestCard
) -> None:
    engine = engine_on("card", artefact, socket_path, capacity=None)
    assert engine.capacity == 4
    recognise(engine, 0.3)
    until(lambda: card.reported[-2:] == [1, 0])
    engine.stop()


def test_an_artefact_is_sent_once_and_then_known(artefact: Path, socket_path: Path, tmp_path: Path) -> None:
    for _ in range(2):
        runner = CardRunner(socket_path, artefact, 1)
        kept = list((tmp_path / "cache").iterdir())
        assert [file.stem for file in kept] == [runner.digest]
        runner.close()


def test_a_card_is_held_by_one_server_and_freed_when_that_goes(artefact: Path, socket_path: Path) -> None:
    first = CardRunner(socket_path, artefact, None)
    with pytest.raises(CardError, match="BUSY: another server holds this card"):
        CardRunner(socket_path, artefact, None)
    first.close()
    CardRunner(socket_path, artefact, None).close()


@pytest.mark.parametrize("code", [Code.LICENCE_MISSING, Code.LICENCE_EXPIRED, Code.LICENCE_VERSION_EXCEEDED])
def test_a_card_without_a_fitting_licence_runs_nothing(
    artefact: Path, socket_path: Path, card: TestCard, code: Code
) -> None:
    card.refusal = CardError(code, "ask the issuer for another")
    with pytest.raises(CardError, match=f"{code.name}: ask the issuer") as raised:
        engine_on("card", artefact, socket_path)
    assert raised.value.code is code


def test_an_old_bitstream_is_refused_with_the_version_needed(artefact: Path, socket_path: Path, card: TestCard) -> None:
    card.bitstream_version = "1.0.0"
    with pytest.raises(CardError, match=r"BITSTREAM_TOO_OLD: flash 1\.10\.0"):
        engine_on("card", artefact, socket_path)


def test_more_streams_than_the_card_carries_are_refused(artefact: Path, socket_path: Path) -> None:
    with pytest.raises(CardError, match="FULL: 5 streams are wanted, the card carries 4"):
        engine_on("card", artefact, socket_path, capacity=5)


def test_a_licence_that_ends_stops_new_streams_and_not_live_ones(
    artefact: Path, socket_path: Path, card: TestCard
) -> None:
    engine = engine_on("card", artefact, socket_path)
    live, events = open_stream(engine)
    live.push(babble(0.06))
    assert isinstance(events.get(timeout=PATIENCE), Answer)
    card.refusal = CardError(Code.LICENCE_EXPIRED, "it ended yesterday")
    _, refused = open_stream(engine)
    event = refused.get(timeout=PATIENCE)
    assert isinstance(event, Failed)
    assert "LICENCE_EXPIRED: it ended yesterday" in event.reason
    live.push(babble(0.06))
    assert isinstance(events.get(timeout=PATIENCE), Answer)
    assert engine.alive
    engine.stop()


def test_a_card_that_loses_power_fails_its_streams(artefact: Path, tmp_path: Path, card: TestCard) -> None:
    host = CardHost(tmp_path / "card.sock", tmp_path / "cache", card)
    host.start()
    engine = engine_on("card", artefact, tmp_path / "card.sock")
    stream, events = open_stream(engine)
    stream.push(babble(0.06))
    assert isinstance(events.get(timeout=PATIENCE), Answer)
    host.stop()
    stream.push(babble(0.06))
    assert isinstance(events.get(timeout=PATIENCE), Failed)
    until(lambda: not engine.alive)
    host.start()
    again = engine_on("card", artefact, tmp_path / "card.sock")
    assert isinstance(recognise(again, 0.3)[-1], Answer)
    again.stop()
    host.stop()


def test_a_card_that_is_not_there_is_an_error_with_a_remedy(artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is the card up, and mounted into this pod"):
        engine_on("card", artefact, tmp_path / "nobody.sock")


def test_a_checkpoint_that_is_not_compiled_is_refused_before_the_card_is_asked(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04 a checkpoint")
    with pytest.raises(ValueError, match="gharial compile"):
        engine_on("card", tmp_path / "model.pt", tmp_path / "nobody.sock")
