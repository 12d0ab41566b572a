"""What the driver reads of Achronix cards in sysfs, what it gives to containers, and the file that a pool names."""

import json
import shutil
import struct
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from gharial_agent.cards.achronix.archive import BitstreamArchive, pack, unpack
from gharial_agent.cards.achronix.driver import AchronixDriver, AchronixSettings
from gharial_agent.cards.achronix.jtag import device_of
from gharial_agent.cards.protocol import Card, CardError, FlashTarget
from gharial_agent.cards.serial_number import serial_number
from gharial_agent.decide.facts import Image, NodeFacts
from gharial_agent.status import node_status
from gharial_api.node import AsrCardNode
from gharial_cli.main import main
from hypothesis import given
from hypothesis import strategies as st

ADDRESS = "0000:25:00.0"
ID = "00a0c9ffff000102"
ARCHIVE = BitstreamArchive("1.14.0", date(2026, 1, 1), b"page 0", b"body" * 2000)


def configuration(*capabilities: tuple[int, bytes]) -> bytes:
    """A configuration space with these extended capabilities, one after another."""
    space = bytearray(4096)
    offset = 0x100
    for number, (kind, body) in enumerate(capabilities):
        following = offset + 4 + len(body) if number + 1 < len(capabilities) else 0
        struct.pack_into("<I", space, offset, kind | 1 << 16 | following << 20)
        space[offset + 4 : offset + 4 + len(body)] = body
        offset = following
    return bytes(space)


SERIAL = (3, struct.pack("<II", 0xFF000102, 0x00A0C9FF))


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """A kernel that shows one card, bound to the vendor's driver, and a network adapter."""
    devices = tmp_path / "sys" / "bus" / "pci" / "devices"
    files = {
        "vendor": "0x12ba", "device": "0x0069", "numa_node": "1", "current_link_width": "16", "max_link_width": "16",
        "current_link_speed": "16.0 GT/s PCIe", "max_link_speed": "16.0 GT/s PCIe",
        "asr_card/bitstream_version": "1.13.0", "asr_card/bitstream_release_date": "2025-06-30",
    }  # fmt: skip
    for name, text in files.items():
        put(devices / ADDRESS / name, text)
    (devices / ADDRESS / "config").write_bytes(configuration((1, b"\0" * 40), SERIAL))
    put(devices / "0000:01:00.0" / "vendor", "0x8086")
    put(devices.parent / "slots" / "4-1" / "address", "0000:25:00")
    return tmp_path / "sys"


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def device(sysfs: Path) -> Path:
    return sysfs / "bus" / "pci" / "devices" / ADDRESS


def cards(sysfs: Path) -> list[Card]:
    return list(AchronixDriver(AchronixSettings(sysfs=sysfs)).inventory().cards)


def test_a_card_is_read_with_its_place_its_link_and_its_serial_number(sysfs: Path) -> None:
    [card] = cards(sysfs)
    assert (card.unique_id, card.pci_address, card.slot, card.numa_node) == (ID, ADDRESS, "4-1", 1)
    assert card.bitstream is not None and card.bitstream.version == "1.13.0"
    assert card.bitstream.release_date == date(2025, 6, 30)
    assert (card.link, card.remark, card.health_message) == ("x16 of x16 at 16 of 16 GT/s", "", "")


def test_the_vendors_word_for_the_unique_id_goes_before_the_serial_number(sysfs: Path) -> None:
    put(device(sysfs) / "asr_card" / "unique_id", "0123456789ABCDEF")
    assert cards(sysfs)[0].unique_id == "0123456789abcdef"


@pytest.mark.parametrize(("name", "text"), [("current_link_width", "8"), ("current_link_speed", "8.0 GT/s PCIe")])
def test_a_link_below_the_cards_own_is_remarked_and_the_card_stays_healthy(sysfs: Path, name: str, text: str) -> None:
    put(device(sysfs) / name, text)
    [card] = cards(sysfs)
    assert "seat" in card.remark and card.health_message == ""


@pytest.mark.parametrize(("name", "text"), [("bitstream_version", ""), ("bitstream_release_date", "")])
def test_a_card_that_does_not_tell_its_bitstream_is_unhealthy_and_nothing_is_guessed(
    sysfs: Path, name: str, text: str
) -> None:
    put(device(sysfs) / "asr_card" / name, text)
    [card] = cards(sysfs)
    assert card.bitstream is None
    assert name in card.health_message and "load the vendor's driver" in card.health_message


@pytest.mark.parametrize("config", [b"\0" * 64, configuration(), configuration((3, b"\xff" * 8))])
def test_a_card_without_any_id_is_left_out_with_the_remedy(sysfs: Path, config: bytes) -> None:
    (device(sysfs) / "config").write_bytes(config)
    found = AchronixDriver(AchronixSettings(sysfs=sysfs)).inventory()
    assert found.cards == ()
    assert ADDRESS in found.unread[0] and "CAP_SYS_ADMIN" in found.unread[0]


def test_cards_that_share_a_serial_number_are_not_told_apart(sysfs: Path) -> None:
    shutil.copytree(device(sysfs), device(sysfs).with_name("0000:26:00.0"))
    found = AchronixDriver(AchronixSettings(sysfs=sysfs)).inventory()
    assert found.cards == ()
    assert "0000:25:00.0 and 0000:26:00.0" in found.unread[0] and "kernel driver" in found.unread[0]


def test_a_node_says_which_card_it_cannot_use(sysfs: Path) -> None:
    spec = {"poolRef": {"name": "cards"}, "nodeName": "node-a", "driver": "achronix"}
    node = AsrCardNode.model_validate({"metadata": {"name": "node-a"}, "spec": spec})
    facts = NodeFacts((), Image(), None, ("The card at 0000:25:00.0 cannot be used: it tells no unique id.",))
    [ready] = [c for c in node_status(node, facts, {}, datetime.now(UTC)).conditions if c.type == "Ready"]
    assert (ready.status, ready.reason) == ("False", "CardUnhealthy")
    assert "0000:25:00.0" in ready.message


def test_a_card_beside_one_that_does_not_tell_who_it_is_needs_the_map(sysfs: Path, tmp_path: Path) -> None:
    driver = AchronixDriver(AchronixSettings(sysfs=sysfs, tool=("ace",)))
    target = FlashTarget(ID, "", alone=True)
    assert driver.flash_runs(target, pack(ARCHIVE), tmp_path)[0].command == ("ace", "-lab_mode", "-batch")
    put(device(sysfs).with_name("0000:26:00.0") / "vendor", "0x12ba")
    put(device(sysfs).with_name("0000:26:00.0") / "device", "0x0069")
    with pytest.raises(CardError, match="more than one card"):
        driver.flash_runs(target, pack(ARCHIVE), tmp_path)


@given(st.binary(max_size=600))
def test_any_configuration_space_is_read_to_an_end(tail: bytes) -> None:
    assert len(serial_number(b"\0" * 0x100 + tail)) in {0, 16}


def test_a_node_without_a_pci_bus_has_no_cards(tmp_path: Path) -> None:
    assert cards(tmp_path) == []


def test_a_container_gets_the_cards_device_files_its_licence_folder_and_the_sites_own(
    sysfs: Path, tmp_path: Path
) -> None:
    put(device(sysfs) / "vendorcard" / "vendorcard0" / "uevent", "MAJOR=511\nMINOR=0\nDEVNAME=vendorcard0")
    put(sysfs / "other" / "neighbour0" / "uevent", "MAJOR=511\nMINOR=1\nDEVNAME=neighbour0")
    (device(sysfs) / "driver").symlink_to(sysfs / "other")
    edits = tmp_path / "edits.json"
    edits.write_text(json.dumps({"env": ["BUS={pciAddress}"], "deviceNodes": [{"path": "/dev/vfio/vfio"}]}))
    driver = AchronixDriver(AchronixSettings(sysfs=sysfs, licences=tmp_path / "licences", edits=edits))
    found = driver.container_edits(ID)
    assert found["deviceNodes"] == [{"path": "/dev/vendorcard0"}, {"path": "/dev/vfio/vfio"}]
    assert {f"GHARIAL_CARD_ID={ID}", f"BUS={ADDRESS}"} <= set(found["env"])
    assert found["mounts"][0]["hostPath"] == str(tmp_path / "licences" / ID)
    driver.deliver_licence(ID, b"signed")
    assert (tmp_path / "licences" / ID / "licence.json").read_bytes() == b"signed"
    driver.deliver_licence(ID, None)
    assert list((tmp_path / "licences" / ID).iterdir()) == []
    with pytest.raises(CardError, match="not on the PCI bus"):
        driver.container_edits("f" * 16)


def test_no_card_is_power_cycled_alone(sysfs: Path) -> None:
    with pytest.raises(CardError, match="no switch of its own"):
        AchronixDriver(AchronixSettings(sysfs=sysfs)).power_cycle(ID)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[]", "must look like"),
        ("{", "cannot be read"),
        ('{"00a0c9ffff000102": 1}', "no device id"),
        ('{"00a0c9ffff000102": "X; exit"}', "no device id"),
        ('{"00a0c9ffff000102": "X1", "00a0c9ffff000103": "X1"}', "to both"),
        ('{"00a0c9ffff000103": "X1"}', "does not name this card"),
    ],
)
def test_a_map_that_cannot_be_trusted_flashes_nothing(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "jtag.json").write_text(text)
    with pytest.raises(CardError, match=named):
        device_of(ID, True, tmp_path / "jtag.json")


def test_a_map_names_the_device_and_without_one_a_lone_card_needs_none(tmp_path: Path) -> None:
    file = tmp_path / "jtag.json"
    assert device_of(ID, True, file) == ""
    with pytest.raises(CardError, match="more than one card"):
        device_of(ID, False, file)
    file.write_text(json.dumps({ID.upper(): "ACVP8070192"}))
    assert device_of(ID, False, file) == "ACVP8070192"


def test_an_archive_tells_what_it_holds_and_is_the_same_each_time() -> None:
    assert unpack(pack(ARCHIVE)) == ARCHIVE
    assert pack(ARCHIVE) == pack(ARCHIVE)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": "1.14"}, "three numbers"),
        ({"page_0": b""}, "page0.flash is empty"),
        ({"page_0": b"x" * 4097}, "wrong way round"),
    ],
)
def test_an_archive_that_cannot_be_right_is_not_made(change: dict[str, object], named: str) -> None:
    fields = {**vars(ARCHIVE), **change}
    with pytest.raises(ValueError, match=named):
        pack(BitstreamArchive(**fields))


@given(st.integers(0, len(pack(ARCHIVE)) - 1), st.integers(1, 255))
def test_a_changed_archive_is_refused_or_says_the_same(at: int, change: int) -> None:
    data = bytearray(pack(ARCHIVE))
    data[at] ^= change
    try:
        found = unpack(bytes(data))
    except ValueError:
        return
    assert (found.page_0, found.body) == (ARCHIVE.page_0, ARCHIVE.body)


def test_one_command_packs_the_vendors_files_and_prints_the_pools_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page0").write_bytes(ARCHIVE.page_0)
    (tmp_path / "body").write_bytes(ARCHIVE.body)
    words = ["--version", "1.14.0", "--release-date", "2026-01-01", "--page0", str(tmp_path / "page0")]
    words += ["--bitstream", str(tmp_path / "body"), "-o", str(tmp_path / "caiman-1.14.0.tar")]
    assert main(["bitstream", "pack", *words]) == 0
    assert "sha256: " in capsys.readouterr().out
    assert unpack((tmp_path / "caiman-1.14.0.tar").read_bytes()) == ARCHIVE
    assert main(["bitstream", "inspect", "--json", str(tmp_path / "caiman-1.14.0.tar")]) == 0
    assert json.loads(capsys.readouterr().out)["releaseDate"] == "2026-01-01"
    assert main(["bitstream", "inspect", str(tmp_path / "body")]) == 1
    assert "gharial bitstream pack" in capsys.readouterr().err
