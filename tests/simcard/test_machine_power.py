"""Cards without a switch of their own: only the machine's power makes live what was flashed."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from gharial_cli.main import main
from gharial_wire.bitstream import BODY_OFFSET, make_bitstream
from gharial_wire.card_control import ControlRefusedError, Fault
from simulated_cards import Cards

IMAGE = make_bitstream("1.14.0", date(2026, 1, 1))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Cards]:
    (tmp_path / "power").write_text("first\n")
    words = ["--id-seed", "node-a", "--write-rate", "1e9", "--without-compute", "--power", "machine"]
    box = Cards(tmp_path, words)
    box.start()
    yield box
    box.kill()


def flash(box: Cards, folder: Path) -> None:
    for offset, part in ((0, IMAGE[:BODY_OFFSET]), (BODY_OFFSET, IMAGE[BODY_OFFSET:])):
        file = folder / f"{offset}.flash"
        file.write_bytes(part)
        assert box.flash_tool("program", "--jtag-id", "1", "--offset", str(offset), str(file)).returncode == 0


def restart(box: Cards, power: str | None = None) -> None:
    """Ends everything as a reboot does, and as a power cycle does where `power` is given."""
    box.kill()
    if power:
        (box.root / "power").write_text(f"{power}\n")
    box.start()


def live(box: Cards) -> str:
    path = box.sysfs() / "asr_card" / "bitstream_version"
    return path.read_text().strip() if path.exists() else "off the bus"


def test_a_reboot_leaves_the_old_bitstream_live_and_a_power_cycle_of_the_machine_loads_the_new(
    box: Cards, tmp_path: Path
) -> None:
    flash(box, tmp_path)
    restart(box)
    assert live(box) == "1.0.0"
    restart(box, power="second")
    assert live(box) == "1.14.0"


def test_such_a_card_has_no_switch_of_its_own_and_says_what_to_do(box: Cards, tmp_path: Path) -> None:
    flash(box, tmp_path)
    with pytest.raises(ControlRefusedError, match="power-cycle the machine, a reboot is not enough"):
        box.call("power-cycle", cardId=box.state()[0]["cardId"])
    assert live(box) == "1.0.0"


def test_a_card_that_fails_to_boot_is_back_after_the_next_power_cycle_and_not_after_a_reboot(box: Cards) -> None:
    box.inject(Fault.BOOT_FAILS)
    restart(box, power="second")
    assert live(box) == "off the bus"
    restart(box)
    assert live(box) == "off the bus"
    restart(box, power="third")
    assert live(box) == "1.0.0"


def test_a_vanished_card_is_back_after_a_power_cycle_and_not_after_a_reboot(box: Cards) -> None:
    box.inject(Fault.VANISH)
    restart(box)
    assert live(box) == "off the bus"
    restart(box, power="second")
    assert (live(box), box.state()[0]["faults"]) == ("1.0.0", {})


def test_a_machine_that_does_not_tell_of_its_power_is_an_error_that_names_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simcard", "--root", str(tmp_path / "cards"), "--power", "machine", "--without-compute"]
    missing = tmp_path / "switch" / "power"
    assert main([*words, "--power-file", str(missing)]) != 0
    assert f"there is no {missing}" in capsys.readouterr().err
