"""What may be wrong with a card's licence, and the reason by which it is told."""

from gharial_wire.licence import LicenceState

TROUBLES = [
    (LicenceState.MISSING, "LicenceMissing"),
    (LicenceState.WRONG_CARD, "LicenceForAnotherCard"),
    (LicenceState.BAD_SIGNATURE, "LicenceSignatureWrong"),
    (LicenceState.EXPIRED, "LicenceExpired"),
    (LicenceState.VERSION_EXCEEDED, "LicenceVersionExceeded"),
    (LicenceState.RELEASE_DATE_EXCEEDED, "LicenceReleaseDateExceeded"),
]
