"""Which device on the JTAG chain is which card.

Nothing in the vendor's documentation ties a card on the PCI bus to its device on the chain, and a wrong guess flashes
the wrong card. So nobody guesses: a JSON file says it, {"unique id": "device id"}, for as many nodes as one likes.
Without any entry, a card that is the only one of its node goes with the only device on the chain.
"""

import json
import re
from pathlib import Path

from gharial_agent.cards.protocol import CardError

# What is put into the tool's script as it is; ids that were seen are serial numbers such as ACVP8070192.
DEVICE_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")


def read_map(file: Path | None) -> dict[str, str]:
    """The device ids by unique id; none where there is no file. Raises CardError when the file cannot be trusted."""
    if file is None or not file.exists():
        return {}
    try:
        entries = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise CardError(f"the map of JTAG devices {file} cannot be read: {error}") from None
    if not isinstance(entries, dict):
        raise CardError(f'the map of JTAG devices {file} must look like {{"0123456789abcdef": "ACVP8070192"}}')
    devices: dict[str, str] = {}
    for card, device in entries.items():
        if not isinstance(device, str) or not DEVICE_ID.match(device):
            raise CardError(f"{file} gives card {card} the JTAG device {device!r}, which is no device id")
        twin = next((other for other, known in devices.items() if known == device), None)
        if twin is not None:
            raise CardError(f"{file} gives JTAG device {device} to both {twin} and {card}: correct one of them")
        devices[card.lower()] = device
    return devices


def device_of(unique_id: str, alone: bool, file: Path | None) -> str:
    """The device id of a card; empty when it is the chain's only device. Raises CardError where that is not certain.

    alone: no other card was ever seen on this node.
    """
    devices = read_map(file)
    if unique_id in devices:
        return devices[unique_id]
    remedy = f"write which device is card {unique_id} into {file or 'a file'} (agent option --jtag-map)"
    if devices:
        raise CardError(f"the map of JTAG devices does not name this card: {remedy}")
    if not alone:
        raise CardError(f"this node has more than one card and nothing says which JTAG device this one is: {remedy}")
    return ""
