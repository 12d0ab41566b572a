"""Licences: what a card may run, and that nothing in the file can be changed."""

import json
from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gharial_wire.licence import Bitstream, Licence, LicenceState, judge, judge_best, parse, sign
from hypothesis import given
from hypothesis import strategies as st

KEY = Ed25519PrivateKey.generate()
CARD = "00112233445566aa"
TODAY = date(2026, 6, 1)
LICENCE = Licence(
    card_id=CARD, max_version="1.14.0", max_release_date=date(2026, 3, 31), issued=date(2026, 1, 1), licensee="Acme"
)
BITSTREAM = Bitstream("1.14.0", date(2026, 3, 31))


def state(licence: Licence = LICENCE, card: str = CARD, bitstream: Bitstream = BITSTREAM) -> LicenceState:
    return judge(sign(licence, KEY), KEY.public_key(), card, bitstream, TODAY).state


def test_the_limits_themselves_are_allowed() -> None:
    assert state() is LicenceState.VALID


def test_no_file_is_missing() -> None:
    assert judge(None, KEY.public_key(), CARD, BITSTREAM, TODAY).state is LicenceState.MISSING


@pytest.mark.parametrize(
    ("bitstream", "expected"),
    [
        (Bitstream("1.14.1", date(2026, 1, 1)), LicenceState.VERSION_EXCEEDED),
        (Bitstream("1.9.0", date(2026, 1, 1)), LicenceState.VALID),  # 9 < 14: versions compare as numbers
        (Bitstream("2.0.0", date(2027, 1, 1)), LicenceState.VERSION_EXCEEDED),
        (Bitstream("1.14.0", date(2026, 4, 1)), LicenceState.RELEASE_DATE_EXCEEDED),
    ],
)
def test_a_bitstream_beyond_the_licence_is_refused_by_name(bitstream: Bitstream, expected: LicenceState) -> None:
    assert state(bitstream=bitstream) is expected


def test_another_cards_licence_is_the_wrong_card() -> None:
    assert state(card="ffffffffffffffff") is LicenceState.WRONG_CARD


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        (TODAY - timedelta(days=1), LicenceState.EXPIRED),
        (TODAY, LicenceState.EXPIRES_SOON),
        (TODAY + timedelta(days=30), LicenceState.EXPIRES_SOON),
        (TODAY + timedelta(days=31), LicenceState.VALID),
    ],
)
def test_expiry_is_the_last_good_day_and_warns_thirty_days_ahead(expires: date, expected: LicenceState) -> None:
    assert state(LICENCE.model_copy(update={"expires": expires})) is expected


@given(
    field=st.sampled_from(["cardId", "maxVersion", "maxReleaseDate", "issued", "expires", "licensee"]),
    value=st.one_of(st.dates().map(str), st.text(max_size=20), st.sampled_from(["9.9.9", "f" * 16])),
)
def test_no_field_can_be_changed(field: str, value: str) -> None:
    fields = json.loads(sign(LICENCE, KEY))
    original, fields[field] = fields[field], value
    judged = judge(json.dumps(fields).encode(), KEY.public_key(), CARD, BITSTREAM, TODAY).state
    assert (judged is LicenceState.BAD_SIGNATURE) == (value != original)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_bad_signature_and_never_an_error(document: bytes) -> None:
    assert judge(document, KEY.public_key(), CARD, BITSTREAM, TODAY).state is LicenceState.BAD_SIGNATURE


def test_another_issuers_licence_is_a_bad_signature() -> None:
    document = sign(LICENCE, Ed25519PrivateKey.generate())
    assert judge(document, KEY.public_key(), CARD, BITSTREAM, TODAY).state is LicenceState.BAD_SIGNATURE


def test_a_licence_survives_being_written_and_read() -> None:
    assert parse(sign(LICENCE, KEY))[0] == LICENCE


def test_of_many_files_the_best_of_this_card_counts() -> None:
    old = sign(LICENCE.model_copy(update={"max_version": "1.0.0"}), KEY)
    good = sign(LICENCE, KEY)
    foreign = sign(LICENCE.model_copy(update={"card_id": "f" * 16}), KEY)
    judgement, document = judge_best([old, foreign, b"junk", good], KEY.public_key(), CARD, BITSTREAM, TODAY)
    assert (judgement.state, document) == (LicenceState.VALID, good)


def test_a_folder_of_other_cards_licences_alone_is_said_to_be_that() -> None:
    foreign = sign(LICENCE.model_copy(update={"card_id": "f" * 16}), KEY)
    judgement, document = judge_best([foreign], KEY.public_key(), CARD, BITSTREAM, TODAY)
    assert (judgement.state, document) == (LicenceState.WRONG_CARD, None)
    assert judge_best([b"junk"], KEY.public_key(), CARD, BITSTREAM, TODAY)[0].state is LicenceState.MISSING
