"""The whole server with its arithmetic on a simulated card."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from cards import TestCard
from gharial_asr.checkpoint import save_hardware_checkpoint
from gharial_simcard.host import CardHost
from gharial_wire.card_protocol import CardError, Code
from tiny_models import babble, tiny_checkpoint
from websockets.exceptions import ConnectionClosed, InvalidStatus


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    save_hardware_checkpoint(tmp_path / "tiny.pt", tiny_checkpoint())
    return str(tmp_path / "tiny.pt")


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CardHost]:
    host = CardHost(tmp_path / "card" / "card.sock", tmp_path / "artefacts", TestCard(capacity=1))
    host.start()
    monkeypatch.setenv("GHARIAL_CARD_SOCKET", str(tmp_path / "card" / "card.sock"))
    yield host
    host.stop()


async def test_a_card_serves_as_many_streams_as_it_carries(harness, card, checkpoint: str, tmp_path: Path) -> None:
    pcm = (babble(1.0) * 32767).astype("<i2").tobytes()
    async with harness.serve(backend="card", checkpoint=checkpoint, cache=tmp_path) as server:
        assert server.service.load.capacity == 1
        async with harness.connect(server) as connection:
            with pytest.raises(InvalidStatus) as refused:
                await harness.connect(server)
            assert refused.value.response.status_code == 503
            await connection.send(pcm)
            assert len(await harness.end(connection)) == 17


async def test_a_card_that_is_lost_closes_its_streams_with_1011_and_fails_the_server(
    harness, card, checkpoint: str, tmp_path: Path
) -> None:
    async with (
        harness.serve(backend="card", checkpoint=checkpoint, cache=tmp_path) as server,
        harness.connect(server) as connection,
    ):
        await connection.send(b"\0" * 1920)
        await asyncio.wait_for(connection.recv(), 20)
        card.stop()
        with pytest.raises(ConnectionClosed):
            while True:
                await connection.send(b"\0" * 1920)
                await asyncio.wait_for(connection.recv(), 20)
        assert connection.close_code == 1011
        with pytest.raises(RuntimeError, match=r"^EngineFailed: it has stopped and cannot start again: .*card"):
            await asyncio.wait_for(asyncio.shield(harness.keeping), 60)


async def test_a_card_that_refuses_ends_the_server_with_the_cards_own_words(
    harness, card, checkpoint: str, tmp_path: Path
) -> None:
    card.facts.refusal = CardError(Code.LICENCE_MISSING, "the card has no licence; give the pool one")
    with pytest.raises(RuntimeError, match="the card has no licence; give the pool one"):
        async with harness.serve(backend="card", checkpoint=checkpoint, cache=tmp_path):
            pass


async def test_without_a_claimed_card_the_remedy_is_named(
    harness, checkpoint: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.delenv("GHARIAL_CARD_SOCKET", raising=False)
    with pytest.raises(RuntimeError, match="GHARIAL_CARD_SOCKET is not set; claim one"):
        async with harness.serve(backend="card", checkpoint=checkpoint, cache=tmp_path):
            pass
