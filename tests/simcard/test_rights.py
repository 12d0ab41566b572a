"""A whole simulated card: its process computes for servers that its licence, bitstream and capacity allow."""

import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gharial_asr.artefact import write_artefact
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.runner import Batch
from gharial_server.engine.card import CardRunner
from gharial_wire.card_channel import CardChannel
from gharial_wire.card_control import Fault
from gharial_wire.card_protocol import CardError, Code
from gharial_wire.licence import Licence, sign
from simulated_cards import Cards, eventually
from tiny_models import tiny_checkpoint

KEY = Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gharial"
    write_artefact(compile_checkpoint(tiny_checkpoint(), "int8"), path)
    return path


@pytest.fixture(scope="module")
def box() -> Iterator[Cards]:
    root = Path(tempfile.mkdtemp(prefix="c"))  # short, for the sockets' sake
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (root / "public.pem").write_bytes(public)
    words = ["--id-seed", "rights", "--streams", "4", "--boot-seconds", "0.2", "--factory-version", "1.20.0"]
    box = Cards(root, [*words, "--public-key", str(root / "public.pem")])
    box.start()
    eventually(lambda: socket_of(box).exists(), 60)
    yield box
    box.kill()
    shutil.rmtree(root)


def card_id(box: Cards) -> str:
    return str(box.state()[0]["cardId"])


def socket_of(box: Cards) -> Path:
    return box.root / "cards" / card_id(box) / "card.sock"


def put_licence(box: Cards, max_version: str = "2.0.0", expires: date | None = None, card: str = "") -> None:
    licence = Licence(
        card_id=card or card_id(box), max_version=max_version, max_release_date=date(2099, 1, 1),
        issued=date(2026, 1, 1), expires=expires,
    )  # fmt: skip
    (socket_of(box).parent / "licence.json").write_bytes(sign(licence, KEY))


def refusal(box: Cards, artefact: Path, slots: int | None = None) -> Code:
    with pytest.raises(CardError) as raised:
        CardRunner(socket_of(box), artefact, slots)
    return raised.value.code


def test_a_card_without_a_licence_runs_nothing_and_says_so(box: Cards, artefact: Path) -> None:
    (socket_of(box).parent / "licence.json").unlink(missing_ok=True)
    assert refusal(box, artefact) is Code.LICENCE_MISSING


def test_each_fault_of_a_licence_has_its_own_refusal(box: Cards, artefact: Path) -> None:
    put_licence(box, max_version="1.0.0")
    assert refusal(box, artefact) is Code.LICENCE_VERSION_EXCEEDED
    put_licence(box, expires=date(2026, 1, 2))
    assert refusal(box, artefact) is Code.LICENCE_EXPIRED
    put_licence(box, card="f" * 16)
    assert refusal(box, artefact) is Code.LICENCE_INVALID


def test_a_licensed_card_computes_and_shows_its_streams_in_sysfs(box: Cards, artefact: Path) -> None:
    put_licence(box)
    active = box.sysfs() / "asr_card" / "streams_active"
    runner = CardRunner(socket_of(box), artefact, None)
    assert (runner.slots, runner.card.licence_state) == (4, "Valid")
    runner.open(0, 7)
    assert active.read_text() == "1\n"
    emitted = runner.step(Batch(np.zeros(1, np.int32), np.full(1, 7, np.uint32), np.zeros((1, 960), np.float32)))
    assert emitted.settled.counts.shape == (1,)
    runner.close()
    eventually(lambda: active.read_text() == "0\n")


def test_more_streams_than_the_card_carries_are_refused(box: Cards, artefact: Path) -> None:
    put_licence(box)
    assert refusal(box, artefact, slots=5) is Code.FULL


def test_a_licence_that_ends_stops_new_streams_and_not_live_ones(box: Cards, artefact: Path) -> None:
    put_licence(box)
    runner = CardRunner(socket_of(box), artefact, None)
    runner.open(0, 1)
    put_licence(box, expires=date(2026, 1, 2))
    with pytest.raises(CardError, match="LICENCE_EXPIRED"):
        runner.open(1, 2)
    runner.step(Batch(np.zeros(1, np.int32), np.ones(1, np.uint32), np.zeros((1, 960), np.float32)))
    runner.close()


def test_a_card_that_vanishes_cuts_its_server_off_and_serves_again_after_a_power_cycle(
    box: Cards, artefact: Path
) -> None:
    put_licence(box)
    runner = CardRunner(socket_of(box), artefact, None)
    box.inject(Fault.VANISH)
    with pytest.raises(OSError):
        runner.open(0, 1)
    runner.close()
    assert not socket_of(box).exists()
    box.call("power-cycle", cardId=card_id(box))
    eventually(lambda: socket_of(box).exists())
    CardRunner(socket_of(box), artefact, None).close()


def test_a_hung_card_answers_no_step_until_its_power_cycle(box: Cards, artefact: Path) -> None:
    put_licence(box)
    with CardChannel.connect(socket_of(box), 0.5) as channel:
        channel.hello("before")
    runner = CardRunner(socket_of(box), artefact, None)
    runner.open(0, 1)
    box.inject(Fault.HANG)
    runner._channel.set_timeout(0.5)
    with pytest.raises(OSError):
        runner.step(Batch(np.zeros(1, np.int32), np.ones(1, np.uint32), np.zeros((1, 960), np.float32)))
    runner.close()
    box.call("power-cycle", cardId=card_id(box))
    eventually(lambda: box.state()[0]["onBus"] and socket_of(box).exists())
    CardRunner(socket_of(box), artefact, None).close()
