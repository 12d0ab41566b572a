"""`gharial licence`: a licence made on the command line is judged on the command line."""

import json
from pathlib import Path

import pytest
from gharial_cli.main import main

CARD = "00112233445566aa"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    assert main(["licence", "keygen", "--private-key", str(private), "--public-key", str(public)]) == 0
    return private, public


@pytest.fixture
def licence(tmp_path: Path, keys: tuple[Path, Path]) -> Path:
    path = tmp_path / "licence.json"
    words = ["licence", "issue", "--private-key", str(keys[0]), "--card", CARD, "--max-version", "1.14.0"]
    assert main([*words, "--max-release-date", "2026-12-31", "-o", str(path)]) == 0
    return path


def verify(licence: Path, public: Path, version: str) -> int:
    words = ["licence", "verify", str(licence), "--public-key", str(public), "--card", CARD]
    return main([*words, "--bitstream-version", version, "--release-date", "2026-06-01"])


def test_an_issued_licence_verifies(licence: Path, keys: tuple[Path, Path]) -> None:
    assert verify(licence, keys[1], "1.14.0") == 0


def test_verify_fails_with_the_states_name_and_a_remedy(
    licence: Path, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(licence, keys[1], "1.15.0") == 1
    assert "VersionExceeded: the bitstream's version is above" in capsys.readouterr().out


def test_inspect_prints_json(licence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["licence", "inspect", str(licence), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cardId"] == CARD


def test_the_private_key_is_its_owners_alone_and_never_written_over(
    keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys[0].stat().st_mode & 0o777 == 0o600
    before = keys[0].read_bytes()
    assert main(["licence", "keygen", "--private-key", str(keys[0]), "--public-key", str(keys[1])]) == 1
    assert keys[0].read_bytes() == before
    assert "Choose another name" in capsys.readouterr().err


def test_a_malformed_card_id_is_refused_with_the_field(
    keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["licence", "issue", "--private-key", str(keys[0]), "--card", "12", "--max-version", "1.14.0"]
    assert main([*words, "--max-release-date", "2026-12-31"]) == 1
    assert "cardId" in capsys.readouterr().err
