"""The bitstream's way to the node: fetched, checked, kept in a cache by its digest."""

import base64
import hashlib
import urllib.request
from collections.abc import Callable
from pathlib import Path

from gharial_api.bitstream import Bitstream, ConfigMapKey
from gharial_api.conditions import Reason

from gharial_agent.cards.protocol import CardDriver, CardError
from gharial_agent.decide.facts import Image
from gharial_agent.files import write_atomically

FETCH_TIMEOUT_SECONDS = 60
# Larger than any card's flash memory: whatever is longer is not a bitstream.
LARGEST_BYTES = 1 << 30
RETRY_SECONDS = 30.0
# A wrong checksum is seldom cured by asking again at once.
MISMATCH_RETRY_SECONDS = 120.0

ConfigMapReader = Callable[[ConfigMapKey], bytes]


class BitstreamCache:
    """Bitstream files under one folder, named by their sha256. What lies there was checked, and is checked again."""

    def __init__(self, folder: Path, read_config_map: ConfigMapReader) -> None:
        self._folder = folder
        self._read_config_map = read_config_map
        self._images: dict[str, Image] = {}

    def path(self, sha256: str) -> Path:
        """Where a bitstream lies once it is there."""
        return self._folder / f"{sha256}.bitstream"

    def read(self, sha256: str) -> bytes:
        """The file's bytes, checked once more. Raises CardError when the cache was tampered with or emptied."""
        try:
            data = self.path(sha256).read_bytes()
        except OSError as error:
            self._images.clear()
            raise CardError(f"the bitstream's copy on this node is gone: {error}") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            self.path(sha256).unlink(missing_ok=True)
            self._images.clear()
            raise CardError("the bitstream's copy on this node was changed; it is fetched anew")
        return data

    def image(self, wanted: Bitstream, driver: CardDriver) -> Image:
        """What is known of a bitstream; cheap, reads the file once at most."""
        known = self._images.get(image_key(wanted))
        if known is None and self.path(wanted.sha256).exists():
            known = self._judge(wanted, driver)
            self._images[image_key(wanted)] = known
        return known or Image()

    def fetch(self, wanted: Bitstream, driver: CardDriver, now: float) -> None:
        """Fetches and checks a bitstream; what came of it is `image`'s answer from then on."""
        try:
            data = self._download(wanted)
        except (OSError, ValueError) as error:
            message = f"Bitstream {wanted.version} cannot be fetched from {source_of(wanted)}: {error}"
            image = Image(reason=Reason.BITSTREAM_UNAVAILABLE, message=message, retry_at=now + RETRY_SECONDS)
        else:
            image = self._keep(wanted, driver, data, now)
        self._images[image_key(wanted)] = image

    def _keep(self, wanted: Bitstream, driver: CardDriver, data: bytes, now: float) -> Image:
        found = hashlib.sha256(data).hexdigest()
        if found != wanted.sha256:
            message = (
                f"Bitstream {wanted.version} from {source_of(wanted)} has sha256 {found}, the pool says "
                f"{wanted.sha256}: nothing is written. Correct the file or spec.bitstream.sha256."
            )
            retry_at = now + MISMATCH_RETRY_SECONDS
            return Image(reason=Reason.CHECKSUM_MISMATCH, message=message, retry_at=retry_at)
        write_atomically(self.path(wanted.sha256), data)
        return self._judge(wanted, driver)

    def _judge(self, wanted: Bitstream, driver: CardDriver) -> Image:
        try:
            held = driver.describe(self.read(wanted.sha256))
        except CardError as error:
            message = f"The file of bitstream {wanted.version} is refused: {error}."
        else:
            if held.version == wanted.version:
                return Image(release_date=held.release_date)
            message = f"The file is bitstream {held.version}, the pool says {wanted.version}: correct either."
        return Image(reason=Reason.BITSTREAM_UNAVAILABLE, message=message, retry_at=float("inf"))

    def _download(self, wanted: Bitstream) -> bytes:
        if wanted.config_map is not None:
            return self._read_config_map(wanted.config_map)
        with urllib.request.urlopen(str(wanted.url), timeout=FETCH_TIMEOUT_SECONDS) as answer:
            data: bytes = answer.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            raise ValueError(f"the file is larger than {LARGEST_BYTES} bytes")
        return data


def image_key(wanted: Bitstream) -> str:
    """A change of any of these makes an earlier failure void."""
    return f"{wanted.sha256} {wanted.version} {source_of(wanted)}"


def source_of(wanted: Bitstream) -> str:
    """Where the file comes from, for messages."""
    if wanted.config_map is not None:
        return f"ConfigMap {wanted.config_map.name}, key {wanted.config_map.key}"
    return str(wanted.url)


def config_map_value(data: dict[str, str], binary_data: dict[str, str], key: str) -> bytes:
    """One key's bytes out of a ConfigMap. Raises ValueError when the key is not there."""
    if key in binary_data:
        return base64.b64decode(binary_data[key])
    if key in data:
        return data[key].encode()
    raise ValueError(f"it has no key {key!r}; its keys are {', '.join(sorted({*data, *binary_data})) or 'none'}")
