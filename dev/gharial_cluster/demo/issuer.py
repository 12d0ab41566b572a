"""The licence issuer of a demo or test cluster. Its private key stays in a folder outside the cluster."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from gharial_wire.licence import Licence, load_private_key, sign

# Newest bitstream that the demo's licences allow.
MAX_VERSION = "1.14.0"
MAX_RELEASE_DATE = date(2026, 12, 31)


@dataclass(frozen=True)
class Issuer:
    """A key pair in a folder."""

    folder: Path

    @property
    def _private_file(self) -> Path:
        return self.folder / "issuer.pem"

    def _key(self) -> Ed25519PrivateKey:
        """The private key, made at the first call and kept: licences given out must stay valid."""
        if not self._private_file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            new = self._private_file.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_bytes(pem)
            new.rename(self._private_file)
        return load_private_key(self._private_file.read_bytes())

    def public_key(self) -> str:
        """The key that agents and cards check licences with, as PEM."""
        public = self._key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return public.decode()

    def licence(self, card_id: str, expires: date | None = None) -> bytes:
        """A licence file for one card."""
        granted = Licence(
            card_id=card_id,
            max_version=MAX_VERSION,
            max_release_date=MAX_RELEASE_DATE,
            issued=datetime.now(UTC).date(),
            expires=expires,
            licensee="demo",
        )
        return sign(granted, self._key())
