"""The script for ACE before a tool as strict as its documentation, which writes into real simulated hardware.

What is not real: the tool itself. It is `gharial-sim-ace`, a Tcl interpreter with the documented commands.
"""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import pytest
from gharial_agent.cards.achronix.script import Write, complaint, flash_script, progress, proof, word
from gharial_agent.cards.protocol import CardError
from gharial_wire.bitstream import BODY_OFFSET, make_bitstream
from gharial_wire.card_control import ControlClient, ControlRefusedError, Fault
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_cards import ENVIRONMENT, Cards, eventually

IMAGE = make_bitstream("1.14.0", date(2026, 1, 1), 16 * 1024)
READ_BACK = "proc gharial_verify {file offset device} { simcard::compare $file $offset $device }\n"
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cards]:
    root = tmp_path_factory.mktemp("cards")
    words = ["--cards", "2", "--id-seed", "node", "--boot-seconds", "0.1", "--write-rate", "1e9", "--without-compute"]
    cards = Cards(root / "run", words)
    cards.start()
    for name, data in (("page 0 [exit 0].flash", IMAGE[:BODY_OFFSET]), ("body$x}.flash", IMAGE[BODY_OFFSET:])):
        (root / name).write_bytes(data)
    (root / "verify.tcl").write_text(READ_BACK)
    yield cards
    cards.kill()


def script(cards: Cards, device: str = "SIMVP0000001", verify: bool = True) -> str:
    folder = cards.root.parent
    writes = (Write(folder / "page 0 [exit 0].flash", 1, 0), Write(folder / "body$x}.flash", 4, BODY_OFFSET))
    return flash_script(writes, device, folder / "verify.tcl" if verify else None, TOKEN)


def ace(cards: Cards, text: str, *words: str) -> tuple[int, str]:
    """Exit status and output."""
    command = [sys.executable, "-m", "gharial_simcard.ace", "--root", str(cards.root)]
    command += words or ("-lab_mode", "-batch")
    done = subprocess.run(
        command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, env=ENVIRONMENT
    )
    return done.returncode, done.stdout.decode()


def flash_memory(cards: Cards, card: int) -> bytes:
    unique_id = cards.state()[card]["cardId"]
    return (cards.root / "hardware" / "state" / unique_id / "flash.bin").read_bytes()


def erased(cards: Cards, card: int) -> bool:
    """Erases a card, once the tool before has let go of it."""
    with ControlClient(cards.root, 10) as hardware:
        try:
            hardware.call("begin", jtagId=card, offset=0, length=2 * len(IMAGE))
        except ControlRefusedError:
            return False
        hardware.call("end", jtagId=card)
        return True


def spoil(cards: Cards) -> bytes:
    """Erases what both cards hold; returns the whole memory of an erased card."""
    for card in (1, 2):
        eventually(lambda card=card: erased(cards, card))
    return flash_memory(cards, 1)


def test_the_script_writes_the_card_it_names_and_says_so(cards: Cards) -> None:
    empty = spoil(cards)
    status, output = ace(cards, script(cards))
    assert complaint(status, output, proof(TOKEN)) == ""
    assert flash_memory(cards, 0)[: len(IMAGE)] == IMAGE
    assert flash_memory(cards, 1) == empty
    assert progress(output) == 75  # the last of four steps has begun


def test_a_device_that_is_not_on_the_chain_is_named_with_those_that_are(cards: Cards) -> None:
    found = complaint(*ace(cards, script(cards, "SIMVP0000007")), proof(TOKEN))
    assert "SIMVP0000007 is not on the JTAG chain" in found
    assert "SIMVP0000001 SIMVP0000002" in found


def test_a_chain_of_two_devices_is_never_guessed_at(cards: Cards) -> None:
    empty = spoil(cards)
    found = complaint(*ace(cards, script(cards, "")), proof(TOKEN))
    assert "exactly one device" in found and "--jtag-map" in found
    assert [flash_memory(cards, card) for card in (0, 1)] == [empty, empty]


def test_a_write_that_fails_is_told_in_the_tools_words(cards: Cards) -> None:
    cards.inject(Fault.FLASH_FAILS)
    assert "SPI write error" in complaint(*ace(cards, script(cards)), proof(TOKEN))


def test_a_corrupted_write_is_found_by_the_read_back_and_by_nothing_else(cards: Cards) -> None:
    cards.inject(Fault.FLASH_CORRUPTS)
    assert "verification" in complaint(*ace(cards, script(cards)), proof(TOKEN))
    cards.inject(Fault.FLASH_CORRUPTS)
    assert complaint(*ace(cards, script(cards, verify=False)), proof(TOKEN)) == ""


def test_neither_an_echo_of_the_script_nor_silence_is_success(cards: Cards) -> None:
    assert "without having done all" in complaint(0, script(cards), proof(TOKEN))
    assert "no output" in complaint(0, "", proof(TOKEN))
    assert "status 139" in complaint(139, f"{proof(TOKEN)}\n", proof(TOKEN))
    assert "ERROR: cable" in complaint(0, f"ERROR: cable lost\n{proof(TOKEN)}\n", proof(TOKEN))


@pytest.mark.parametrize("words", [["-batch"], ["-lab_mode"], ["-lab_mode", "-batch", "-gui"]])
def test_the_tool_wants_lab_mode_and_batch_and_no_more(cards: Cards, words: list[str]) -> None:
    status, output = ace(cards, script(cards), *words)
    assert status == 2
    assert complaint(status, output, proof(TOKEN)) != ""


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("config2", "VectorPath", "unknown configuration"),
        ("-offset 0", "-offset 4096", "page 0 goes to 0"),
        ("-offset 4096", "-offset 0", "no page 0"),
        ("-offset 4096", "-offset 8192", "offset 8192"),
        (" 1 -offset", " 4 -offset", "does not go with offset 0"),
        (" -switch30", "", "-switch30 is missing"),
        ("-switch30", "-switch31", "no option"),
        ("spi::program_bitstream", "spi::program", "invalid command name"),
        ("-device_id $jtag_id", "-device_id 1", "no device '1'"),
        ("-device_id $jtag_id", "-device_id $jtag_id -device_id $jtag_id", "twice"),
        (" 1 -offset", " -offset", "is no option"),
        ("page", "pages", "cannot read the image"),
    ],
)
def test_a_wrong_script_is_refused_with_its_reason(cards: Cards, right: str, wrong: str, named: str) -> None:
    text = script(cards)
    assert right in text
    assert named in complaint(*ace(cards, text.replace(right, wrong)), proof(TOKEN))


WORDS = st.sampled_from(
    ["config2", "1", "4", "-offset", "0", "4096", "-device_id", "$jtag_id", "-switch30", "8192", "[", "{"]
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_the_script_passes_for_a_flash_that_it_did_not_do(cards: Cards, data: st.DataObject) -> None:
    """Words are dropped, doubled, swapped and replaced, here and there: success means that the memory is right."""
    empty = spoil(cards)
    words = script(cards, verify=False).split(" ")
    for _ in range(data.draw(st.integers(1, 2), "changes")):
        at = data.draw(st.integers(0, len(words) - 1), "at")
        other = data.draw(st.integers(0, len(words) - 1), "other")
        match data.draw(st.sampled_from(["drop", "double", "swap", "replace"]), "how"):
            case "drop":
                del words[at]
            case "double":
                words.insert(at, words[at])
            case "swap":
                words[at], words[min(other, len(words) - 1)] = words[min(other, len(words) - 1)], words[at]
            case _:
                words[at] = data.draw(WORDS, "word")
    status, output = ace(cards, " ".join(words))
    assert flash_memory(cards, 1) == empty, "another card was written"
    if complaint(status, output, proof(TOKEN)) == "":
        assert flash_memory(cards, 0)[: len(IMAGE)] == IMAGE


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_whatever_is_in_a_path_is_one_word_of_tcl(text: str) -> None:
    import tkinter

    interpreter = tkinter.Tcl()
    assert interpreter.eval(f"catch {{\n set it {word(text)}\n}}; set it") == text


@pytest.mark.parametrize("text", ["", "a\nb", "käse", "\x00"])
def test_a_path_that_the_tool_may_misread_is_refused(text: str) -> None:
    with pytest.raises(CardError, match="--state"):
        word(text)
