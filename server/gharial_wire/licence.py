"""Card licences: a small JSON file, signed with Ed25519, bound to one card.

A licence names one card by its unique id, the newest bitstream version and the newest bitstream release date that the
card may run, and perhaps a last day. The issuer signs it with a private key that never enters a cluster; agents
and cards hold the public key. Everything here is pure: files and clocks belong to the callers.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

# What is signed starts with this, so that a signature made for anything else never fits a licence.
DOMAIN = b"gharial card licence 1\n"
# A licence that ends within this time says so, while it still works.
EXPIRY_WARNING = timedelta(days=30)

CardId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="Unique id of the card: 16 hexadecimal digits.")]
Version = Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]


class LicenceState(StrEnum):
    """What a licence means for one card and one bitstream, from best to worst."""

    VALID = "Valid"
    EXPIRES_SOON = "ExpiresSoon"
    EXPIRED = "Expired"
    RELEASE_DATE_EXCEEDED = "ReleaseDateExceeded"
    VERSION_EXCEEDED = "VersionExceeded"
    WRONG_CARD = "WrongCard"
    BAD_SIGNATURE = "BadSignature"
    MISSING = "Missing"

    @property
    def allows_running(self) -> bool:
        """Whether a card in this state may run streams."""
        return self in {LicenceState.VALID, LicenceState.EXPIRES_SOON}


class Licence(BaseModel):
    """What the issuer grants."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    format: Literal["gharial-licence/1"] = "gharial-licence/1"
    card_id: CardId
    max_version: Version = Field(description="Newest bitstream version that may run.")
    max_release_date: date = Field(description="Newest bitstream release date that may run.")
    issued: date
    expires: date | None = Field(default=None, description="Last day on which the licence holds; none: no end.")
    licensee: str = Field(default="", max_length=200)

    def canonical_bytes(self) -> bytes:
        """The bytes that are signed: the domain, then JSON with sorted keys and no spaces."""
        fields = self.model_dump(mode="json", by_alias=True)
        return DOMAIN + json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


@dataclass(frozen=True)
class Bitstream:
    """What a licence limits: a bitstream's version (three numbers) and the day it was released."""

    version: str
    release_date: date


@dataclass(frozen=True)
class Judgement:
    """The state of the best licence found for a card, and that licence."""

    state: LicenceState
    licence: Licence | None = None


def sign(licence: Licence, key: Ed25519PrivateKey) -> bytes:
    """The licence file: JSON of the licence and its signature, one line per field."""
    fields = licence.model_dump(mode="json", by_alias=True)
    fields["signature"] = base64.b64encode(key.sign(licence.canonical_bytes())).decode()
    return (json.dumps(fields, indent=2) + "\n").encode()


def parse(document: bytes) -> tuple[Licence, bytes]:
    """The licence and the signature in a licence file; the signature is not checked here.

    Raises ValueError with the field at fault when the file is no licence.
    """
    try:
        fields = json.loads(document)
        signature = base64.b64decode(fields.pop("signature"), validate=True)
        return Licence.model_validate(fields), signature
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"not a licence: field {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"not a licence file, which is JSON with a signature in base64 ({error})") from None


def open_licence(document: bytes, key: Ed25519PublicKey) -> tuple[Licence | None, bool]:
    """The licence in a file (None when it is no licence at all), and whether its signature is the key's."""
    try:
        licence, signature = parse(document)
    except ValueError:
        return None, False
    try:
        key.verify(signature, licence.canonical_bytes())
    except InvalidSignature:
        return licence, False
    return licence, True


def judge(document: bytes | None, key: Ed25519PublicKey, card_id: str, bitstream: Bitstream, today: date) -> Judgement:
    """What one licence file means for a card that runs, or is about to run, a bitstream."""
    if document is None:
        return Judgement(LicenceState.MISSING)
    licence, genuine = open_licence(document, key)
    if licence is None or not genuine:
        return Judgement(LicenceState.BAD_SIGNATURE, licence)
    return Judgement(judge_terms(licence, card_id, bitstream, today), licence)


def judge_terms(licence: Licence, card_id: str, bitstream: Bitstream, today: date) -> LicenceState:
    """What a genuine licence means for a card."""
    if licence.card_id != card_id:
        return LicenceState.WRONG_CARD
    if licence.expires is not None and licence.expires < today:
        return LicenceState.EXPIRED
    if version_key(bitstream.version) > version_key(licence.max_version):
        return LicenceState.VERSION_EXCEEDED
    if bitstream.release_date > licence.max_release_date:
        return LicenceState.RELEASE_DATE_EXCEEDED
    if licence.expires is not None and licence.expires - today <= EXPIRY_WARNING:
        return LicenceState.EXPIRES_SOON
    return LicenceState.VALID


def judge_best(
    documents: Iterable[bytes], key: Ed25519PublicKey, card_id: str, bitstream: Bitstream, today: date
) -> tuple[Judgement, bytes | None]:
    """The best judgement over many licence files, and the file it came from.

    Files for other cards count only when there is none for this one: a folder of a whole fleet's licences is the usual
    case.
    """
    order = list(LicenceState)
    best: tuple[Judgement, bytes | None] = (Judgement(LicenceState.MISSING), None)
    others = False
    for document in documents:
        judgement = judge(document, key, card_id, bitstream, today)
        if judgement.licence is None:
            continue
        if judgement.licence.card_id != card_id:
            others = True
        elif order.index(judgement.state) < order.index(best[0].state):
            best = (judgement, document)
    if others and best[1] is None:
        return Judgement(LicenceState.WRONG_CARD), None
    return best


def version_key(version: str) -> tuple[int, ...]:
    """A version as numbers that compare. Raises ValueError when it is not numbers and dots."""
    return tuple(int(part) for part in version.split("."))


def load_private_key(pem: bytes) -> Ed25519PrivateKey:
    """The issuer's key from PEM. Raises ValueError when it is not an Ed25519 private key."""
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the private key is not Ed25519; make one with: gharial licence keygen")
    return key


def load_public_key(pem: bytes) -> Ed25519PublicKey:
    """The key that licences are checked with, from PEM. Raises ValueError when it is not an Ed25519 public key."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the public key is not Ed25519; gharial licence keygen makes a pair")
    return key
