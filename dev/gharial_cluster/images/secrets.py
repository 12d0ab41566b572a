"""What pip inside a build gets from the machine outside: index, proxy, certificates. An image keeps none of it."""

import ast
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Options of pip that make sense inside a build; paths of the machine outside do not.
PASSED = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
CERTIFICATES = "/run/secrets/ca.pem"


def pip_conf(listing: str, with_certificates: bool) -> str:
    """A pip.conf for the build from the output of `pip config list`."""
    chosen: dict[str, str] = {}
    lines = [line for line in listing.splitlines() if "=" in line]
    # pip lists its environment first, although it wins over pip's files.
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2].removeprefix("default-")
        if option in PASSED:
            chosen[option] = " ".join(str(ast.literal_eval(value)).split())
    if with_certificates:
        chosen["cert"] = CERTIFICATES
    return "".join(["[global]\n", *(f"{option} = {value}\n" for option, value in chosen.items())])


def ca_bundle() -> Path | None:
    """The machine's bundle of certificates: what the usual variables name, else OpenSSL's own."""
    for variable in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        if os.environ.get(variable) and Path(os.environ[variable]).is_file():
            return Path(os.environ[variable])
    for candidate in (ssl.get_default_verify_paths().cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


@contextmanager
def build_secrets(folder: Path) -> Iterator[list[str]]:
    """The options `--secret …` of a build; their files are gone afterwards."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    bundle = ca_bundle()
    file = folder / "pip.conf"
    folder.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(pip_conf(listing.stdout, bundle is not None))
    options = ["--secret", f"id=pip.conf,src={file}"]
    if bundle is not None:
        options += ["--secret", f"id=ca.pem,src={bundle}"]
    try:
        yield options
    finally:
        file.unlink(missing_ok=True)
