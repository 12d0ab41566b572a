"""The way of an Achronix card on one node: real API server, real agent, the stand-in of the vendor's tool."""

import os
import signal
import subprocess

import pytest
from achronix_node import AchronixNode
from card_node import running
from gharial_wire.card_control import Fault
from simulated_cards import eventually

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def node(achronix_node: AchronixNode) -> AchronixNode:
    return achronix_node


def tools(node: AchronixNode) -> list[int]:
    """Process ids of this node's flash tools."""
    found = subprocess.run(["pgrep", "-f", f"{node.cards.root} -lab_mode"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split() if running(int(pid))]


def one_card(node: AchronixNode) -> None:
    node.cards.words[node.cards.words.index("--cards") + 1] = "1"


def set_up(node: AchronixNode) -> None:
    node.cards.start()
    node.map_devices()
    node.put_licences([node.licence(card) for card in node.ids()])
    node.put_spec(bitstream=node.bitstream())
    node.start_agent()


def test_both_cards_are_written_and_live_after_the_machines_power_cycle(node: AchronixNode) -> None:
    set_up(node)
    eventually(lambda: node.phases() == ["PowerCycling", "PowerCycling"], 40)
    assert [node.holds(card) for card in (0, 1)] == [True, True]
    assert [card["bitstream"] for card in node.status()["cards"]] == ["1.0.0", "1.0.0"]
    assert node.ready_reason() == "PowerCycleRequired"
    assert node.free_devices() == []
    node.power_cycle()
    node.wait_until_ready()
    card = node.card(1)
    assert (card["slot"], card["link"]) == ("2", "x16 of x16 at 16 of 16 GT/s")
    assert card["lastFlash"]["result"] == "Succeeded"
    licence = node.folder / "licences" / card["uniqueId"] / "licence.json"
    assert licence.read_bytes() == node.licence(card["uniqueId"])


def test_one_agent_serves_whichever_driver_the_spec_names(node: AchronixNode) -> None:
    node.cards.start()
    node.put_licences([node.licence(card) for card in node.ids()])
    node.put_spec(driver="simulated", powerCycle="Card")
    node.start_agent()
    eventually(lambda: node.phases() == ["Ready", "Ready"], 30)
    assert node.card()["streams"]["capacity"] == 16
    node.put_spec()
    eventually(lambda: bool(node.card()["streams"]["capacity"] == 1200), 30)
    assert node.phases() == ["Ready", "Ready"]


def test_two_cards_without_a_map_are_not_flashed_and_the_remedy_is_said(node: AchronixNode) -> None:
    node.cards.start()
    node.put_spec(bitstream=node.bitstream())
    node.put_licences([node.licence(card) for card in node.ids()])
    node.start_agent()
    eventually(lambda: "--jtag-map" in (node.card().get("lastFlash") or {}).get("message", ""), 30)
    assert "more than one card" in node.card()["lastFlash"]["message"]
    assert [node.holds(card, "1.14.0") for card in (0, 1)] == [False, False]
    node.map_devices()
    eventually(lambda: node.phases() == ["PowerCycling", "PowerCycling"], 60)


def test_a_lone_card_is_the_only_device_of_its_chain(node: AchronixNode) -> None:
    one_card(node)
    node.cards.start()
    node.put_licences([node.licence(node.ids()[0])])
    node.put_spec(bitstream=node.bitstream())
    node.start_agent()
    eventually(lambda: node.phases() == ["PowerCycling"], 30)
    assert node.holds(0)


def test_a_tool_that_dies_in_the_middle_is_named_and_the_card_written_again(node: AchronixNode) -> None:
    one_card(node)
    node.cards.words += ["--write-rate", "24576"]
    set_up(node)
    eventually(lambda: "Flashing" in node.phases() and len(tools(node)) == 1, 30)
    os.kill(tools(node)[0], signal.SIGKILL)
    eventually(lambda: "status -9" in (node.card().get("lastFlash") or {}).get("message", ""), 20)
    assert not node.holds(0)
    eventually(lambda: node.phases() == ["PowerCycling"], 60)
    assert node.holds(0)
    assert node.card()["lastFlash"]["attempt"] == 2


def test_a_tool_that_hangs_is_left_alone_and_goes_on_when_it_can(node: AchronixNode) -> None:
    one_card(node)
    node.cards.start()
    node.cards.inject(Fault.FLASH_HANGS, "always")
    node.put_licences([node.licence(node.ids()[0])])
    node.put_spec(bitstream=node.bitstream())
    node.start_agent()
    eventually(lambda: node.phases() == ["Flashing"], 30)
    hanging = tools(node)
    node.put_spec(bitstream=node.bitstream(), flash="Hold", flashReason="Paused: by hand.")
    assert node.stop_agent_softly(2) is None, "an agent that writes does not end"
    assert tools(node) == hanging
    node.cards.inject(Fault.FLASH_HANGS, 0)
    eventually(lambda: node.agent is not None and node.agent.poll() == 0, 30)
    assert node.holds(0)


def test_an_agents_successor_waits_for_the_tool_that_still_writes(node: AchronixNode) -> None:
    one_card(node)
    node.cards.words += ["--write-rate", "24576"]
    set_up(node)
    eventually(lambda: "Flashing" in node.phases() and len(tools(node)) == 1, 30)
    [writing] = tools(node)
    node.kill_agent()
    assert running(writing)
    node.start_agent()
    eventually(lambda: not running(writing) or tools(node) != [writing], 30)
    assert node.holds(0), "the first tool came to its end, undisturbed"
    eventually(lambda: node.phases() == ["PowerCycling"], 60)
