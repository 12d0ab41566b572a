"""The simulated cards behave like hardware: sysfs, flash memory, power, failures, and a life beyond the process."""

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from gharial_cli.main import main
from gharial_cluster.images.targets import TARGETS
from gharial_wire.bitstream import BODY_OFFSET, check_image, make_bitstream
from gharial_wire.card_control import Fault
from simulated_cards import ENVIRONMENT, TOOL, Cards, eventually

ROOT = Path(__file__).resolve().parents[2]
IMAGE = make_bitstream("1.14.0", date(2026, 1, 1))


@pytest.fixture
def parts(tmp_path: Path) -> tuple[str, str]:
    page0, body = tmp_path / "page0.flash", tmp_path / "body.flash"
    page0.write_bytes(IMAGE[:BODY_OFFSET])
    body.write_bytes(IMAGE[BODY_OFFSET:])
    return str(page0), str(body)


def flash(box: Cards, parts: tuple[str, str], jtag: str = "1") -> list[int]:
    page0 = box.flash_tool("program", "--jtag-id", jtag, "--offset", "0", parts[0])
    body = box.flash_tool("program", "--jtag-id", jtag, "--offset", "4096", parts[1])
    return [page0.returncode, body.returncode]


def power_cycle(box: Cards, card: int = 0) -> None:
    box.call("power-cycle", cardId=box.state()[card]["cardId"])


def live(box: Cards) -> str:
    path = box.sysfs() / "asr_card" / "bitstream_version"
    return path.read_text().strip() if path.exists() else "off the bus"


def test_a_card_enumerates_in_sysfs_like_a_pci_device(box: Cards) -> None:
    assert box.sysfs().is_symlink()
    assert (box.sysfs() / "vendor").read_text() == "0x12ba\n"
    assert (box.sysfs() / "device").read_text() == "0x0069\n"
    assert (box.sysfs() / "current_link_width").read_text() == "16\n"
    assert "PCI_ID=12BA:0069" in (box.sysfs() / "uevent").read_text().splitlines()
    assert live(box) == "1.0.0"


def test_unique_ids_follow_from_the_nodes_name(box: Cards, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simcard", "--cards", "2", "--id-seed", "node-a", "ids"]) == 0
    assert capsys.readouterr().out.split() == [card["cardId"] for card in box.state()]


def test_a_flashed_bitstream_is_live_only_after_a_power_cycle(box: Cards, parts: tuple[str, str]) -> None:
    assert flash(box, parts) == [0, 0]
    assert box.flash_tool("verify", "--jtag-id", "1", "--offset", "4096", parts[1]).returncode == 0
    assert live(box) == "1.0.0"
    power_cycle(box)
    assert live(box) == "off the bus"
    eventually(lambda: live(box) == "1.14.0")


def test_a_killed_process_changes_nothing_in_the_cards(box: Cards, parts: tuple[str, str]) -> None:
    flash(box, parts)
    before = box.state()
    box.kill()
    box.start()
    assert box.state() == before
    assert live(box) == "1.0.0"
    power_cycle(box)
    eventually(lambda: live(box) == "1.14.0")


def test_half_a_bitstream_leaves_the_card_off_the_bus_and_jtag_still_mends_it(
    box: Cards, parts: tuple[str, str]
) -> None:
    assert box.flash_tool("program", "--jtag-id", "1", "--offset", "0", parts[0]).returncode == 0
    power_cycle(box)
    eventually(lambda: not box.state()[0]["onBus"])
    assert flash(box, parts) == [0, 0]
    power_cycle(box)
    eventually(lambda: live(box) == "1.14.0")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["program", "--jtag-id", "1", "--offset", "4096", "PAGE0"], "page 0 goes to 0"),
        (["program", "--jtag-id", "1", "--offset", "0", "BODY"], "is no page 0"),
        (["program", "--jtag-id", "1", "--offset", "8192", "BODY"], "offset 8192"),
        (["program", "--jtag-id", "1", "--offset", "0", "/nowhere"], "cannot read the image"),
        (["program", "--offset", "0", "PAGE0"], "--jtag-id"),
    ],
)
def test_a_wrong_call_of_the_flash_tool_writes_nothing(
    box: Cards, parts: tuple[str, str], words: list[str], said: str
) -> None:
    named = {"PAGE0": parts[0], "BODY": parts[1]}
    called = box.flash_tool(*[named.get(word, word) for word in words])
    assert (called.returncode, said in called.stderr) == (2, True)
    power_cycle(box)
    eventually(lambda: live(box) == "1.0.0")


def test_an_unknown_device_is_refused(box: Cards, parts: tuple[str, str]) -> None:
    assert flash(box, parts, jtag="7") == [1, 1]


def test_without_hardware_the_tool_says_so(tmp_path: Path, parts: tuple[str, str]) -> None:
    called = subprocess.run(
        [*TOOL, "--root", str(tmp_path), "devices"], capture_output=True, text=True, timeout=60, env=ENVIRONMENT
    )
    assert called.returncode == 3
    assert "is `gharial simcard` running?" in called.stderr


def test_a_flash_fails_as_often_as_it_was_told_to(box: Cards, parts: tuple[str, str]) -> None:
    box.inject(Fault.FLASH_FAILS, 1)
    assert flash(box, parts)[0] == 1
    assert flash(box, parts) == [0, 0]
    box.inject(Fault.FLASH_FAILS, "always")
    assert [flash(box, parts)[0] for _ in range(3)] == [1, 1, 1]
    box.inject(Fault.FLASH_FAILS, 0)
    assert flash(box, parts) == [0, 0]


def test_a_corrupted_write_is_found_by_verify(box: Cards, parts: tuple[str, str]) -> None:
    box.inject(Fault.FLASH_CORRUPTS)
    assert box.flash_tool("program", "--jtag-id", "1", "--offset", "0", parts[0]).returncode == 0
    assert box.flash_tool("verify", "--jtag-id", "1", "--offset", "0", parts[0]).returncode == 4


def test_a_hanging_write_blocks_its_own_card_alone_and_ends_when_healed(box: Cards, parts: tuple[str, str]) -> None:
    box.inject(Fault.FLASH_HANGS, "always")
    words = ["--root", str(box.root), "program", "--jtag-id", "1", "--offset", "0", parts[0]]
    with subprocess.Popen([*TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as hanging:
        assert hanging.stdout is not None and b"erasing" in hanging.stdout.readline()
        assert flash(box, parts, jtag="2") == [0, 0]
        assert "is being programmed already" in box.flash_tool(*words[2:]).stderr
        hanging.terminate()  # a write that has begun ignores it
        box.inject(Fault.FLASH_HANGS, 0)
        assert hanging.wait(20) == 0


def test_a_vanished_card_comes_back_with_a_power_cycle(box: Cards) -> None:
    box.inject(Fault.VANISH)
    assert live(box) == "off the bus"
    assert (box.sysfs("0000:26:00.0") / "vendor").exists()
    power_cycle(box)
    eventually(lambda: live(box) == "1.0.0")


def test_a_card_that_does_not_boot_stays_away_once(box: Cards) -> None:
    box.inject(Fault.BOOT_FAILS)
    power_cycle(box)
    eventually(lambda: box.state()[0]["faults"] == {})
    assert live(box) == "off the bus"
    power_cycle(box)
    eventually(lambda: live(box) == "1.0.0")


def test_a_hung_card_says_so_until_its_power_cycle(box: Cards) -> None:
    health = box.sysfs() / "asr_card" / "health"
    box.inject(Fault.HANG)
    assert health.read_text() == "hung\n"
    power_cycle(box)
    eventually(lambda: health.exists() and health.read_text() == "ok\n")


def test_a_card_that_did_not_boot_stays_away_when_its_process_starts_anew(box: Cards) -> None:
    box.inject(Fault.BOOT_FAILS)
    power_cycle(box)
    eventually(lambda: box.state()[0]["faults"] == {})
    box.kill()
    box.start()
    assert live(box) == "off the bus"


def test_make_bitstream_writes_the_same_valid_file_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ["make-bitstream", "--version", "1.14.0", "-o", str(tmp_path / name)]
        assert main(["simcard", *words]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert check_image((tmp_path / "a").read_bytes()).version == "1.14.0"


def test_the_flash_tool_needs_the_standard_library_alone() -> None:
    check = (
        "import sys, gharial_simcard.flash_tool; print([m for m in ('torch', 'numpy', 'pydantic') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_flash_tool_runs_with_what_the_agents_image_holds(box: Cards, tmp_path: Path) -> None:
    for source in TARGETS["agent"].sources:
        if source.startswith("server/"):
            target = tmp_path / source
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, target)
    environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "server")}
    command = [*TOOL, "--root", str(box.root), "devices"]
    called = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (called.returncode, called.stdout.split()) == (0, ["1", "2"]), called.stderr
