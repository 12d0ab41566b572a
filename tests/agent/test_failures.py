"""What goes wrong on the card's way: each failure has its reason, nothing is left half-done."""

import subprocess
import time

from card_node import CardNode, running
from gharial_wire.card_control import Fault
from simulated_cards import eventually


def first_card_flashing(node: CardNode) -> bool:
    return bool(node.card().get("phase") == "Flashing")


def test_a_flash_that_fails_once_is_repeated(node: CardNode) -> None:
    node.cards.start()
    node.cards.inject(Fault.FLASH_FAILS, 1)
    node.put_licences([node.licence(card) for card in node.ids()])
    node.put_spec(bitstream=node.bitstream())
    node.start_agent()
    eventually(lambda: node.ready_reason() == "FlashFailed", 30)
    assert "SPI write error" in node.card()["lastFlash"]["message"]
    node.wait_until_ready()
    assert node.card()["lastFlash"]["attempt"] == 2


def test_a_flash_that_always_fails_leaves_the_other_cards_alone_and_stops_on_hold(node: CardNode) -> None:
    node.cards.start()
    node.cards.inject(Fault.FLASH_FAILS, "always")
    node.put_licences([node.licence(card) for card in node.ids()])
    node.put_spec(bitstream=node.bitstream())
    node.start_agent()
    eventually(lambda: [c["phase"] for c in node.status().get("cards", [])] == ["Failed", "Ready"], 40)
    node.put_spec(bitstream=node.bitstream(), flash="Hold", flashReason="FlashFailed: tried often enough.")
    eventually(lambda: "tried often enough" in node.condition("Ready")["message"], 20)
    assert node.card()["lastFlash"]["result"] == "Failed"
    assert node.free_devices() == [f"card-{node.ids()[1]}"]


def test_a_corrupted_write_is_noticed_before_the_power_cycle(node: CardNode) -> None:
    node.cards.start()
    node.cards.inject(Fault.FLASH_CORRUPTS, 1)
    node.put_licences([node.licence(card) for card in node.ids()])
    node.put_spec(bitstream=node.bitstream())
    node.start_agent()
    eventually(lambda: "verification" in (node.card().get("lastFlash") or {}).get("message", ""), 30)
    node.wait_until_ready()


def test_a_card_that_does_not_come_back_is_named_and_flashed_again(node: CardNode) -> None:
    node.cards.start()
    node.cards.inject(Fault.BOOT_FAILS, 1)
    node.put_licences([node.licence(card) for card in node.ids()])
    node.put_spec(bitstream=node.bitstream())
    node.start_agent()
    eventually(lambda: node.ready_reason() == "CardNotEnumerated", 40)
    assert "0000:25:00.0 did not come back" in node.condition("Ready")["message"]
    node.wait_until_ready()


def test_a_card_that_vanishes_is_tainted_and_named_within_ten_seconds(node: CardNode) -> None:
    node.set_up(bitstream=None)
    node.wait_until_ready("1.0.0")
    node.cards.inject(Fault.VANISH)
    began = time.monotonic()
    eventually(lambda: len(node.free_devices()) == 1)
    assert time.monotonic() - began < 10
    taints = node.devices()[f"card-{node.ids()[0]}"]["taints"]
    assert [(t["effect"], t["value"]) for t in taints] == [
        ("NoSchedule", "CardNotEnumerated"),
        ("NoExecute", "CardNotEnumerated"),
    ]
    eventually(lambda: node.card()["health"] == "Unhealthy")
    node.cards.call("power-cycle", cardId=node.ids()[0])
    eventually(lambda: len(node.free_devices()) == 2)


def test_a_hung_card_is_unhealthy(node: CardNode) -> None:
    node.set_up(bitstream=None)
    node.wait_until_ready("1.0.0")
    node.cards.inject(Fault.HANG)
    eventually(lambda: node.ready_reason() == "CardUnhealthy")
    assert len(node.free_devices()) == 1


def test_a_licence_too_old_for_the_bitstream_keeps_the_card_serving_with_the_old_one(node: CardNode) -> None:
    node.set_up(bitstream=None)
    node.wait_until_ready("1.0.0")
    node.put_licences([node.licence(card, max_version="1.5.0") for card in node.ids()])
    node.kill_agent()
    node.start_agent()
    node.put_spec(bitstream=node.bitstream())
    eventually(lambda: node.ready_reason() == "LicenceVersionExceeded", 30)
    assert [c["bitstream"] for c in node.status()["cards"]] == ["1.0.0", "1.0.0"]
    assert len(node.free_devices()) == 2


def test_an_agent_killed_while_it_writes_lets_the_write_end_and_its_successor_finishes(node: CardNode) -> None:
    node.cards.words += ["--write-rate", "8192"]
    node.set_up()
    writing: list[int] = []

    def a_tool_writes() -> bool:
        writing[:] = tools(node) if first_card_flashing(node) else []
        return bool(writing)

    eventually(a_tool_writes, 30)
    node.kill_agent()
    assert all(running(pid) for pid in writing)
    node.start_agent()
    node.wait_until_ready(seconds=80)


def test_an_agent_asked_to_stop_finishes_the_write_first(node: CardNode) -> None:
    node.cards.words += ["--write-rate", "16384"]
    node.set_up()
    eventually(lambda: first_card_flashing(node) and bool(tools(node)), 30)
    assert node.stop_agent() == 0
    assert tools(node) == []
    node.start_agent()
    node.wait_until_ready(seconds=80)


def test_an_agent_killed_again_and_again_gets_there(node: CardNode) -> None:
    node.set_up()
    for pause in (0.5, 1.5, 2.0, 2.5, 3.0):
        time.sleep(pause)  # no condition to await: the point is to strike at arbitrary moments
        node.kill_agent()
        node.start_agent()
    node.wait_until_ready()


def tools(node: CardNode) -> list[int]:
    """Process ids of this node's flash tools."""
    pattern = f"flash_tool --root {node.cards.root} program"
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split() if running(int(pid))]
