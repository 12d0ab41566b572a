"""Which licence is a card's, and what it means, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from gharial_wire.licence import Bitstream, Judgement, LicenceState, judge_best, judge_terms


@dataclass(frozen=True)
class CardLicence:
    """The best licence for a card: judged, said in a sentence, and the file to hand to the card (None: none)."""

    judgement: Judgement
    message: str
    document: bytes | None


def licence_of(
    card_id: str, bitstream: Bitstream, documents: Sequence[bytes], key: Ed25519PublicKey | None, today: date
) -> CardLicence:
    """Picks among all licence files of the pool the one for this card. Without a key no licence can be believed."""
    if key is None:
        message = "The agent has no public key to check licences with; give the chart licensing.publicKey."
        return CardLicence(Judgement(LicenceState.BAD_SIGNATURE), message, None)
    judgement, document = judge_best(documents, key, card_id, bitstream, today)
    return CardLicence(judgement, sentence(judgement, bitstream), document)


def judge_target(judgement: Judgement, card_id: str, target: Bitstream, today: date) -> Judgement:
    """What a licence that was judged for the live bitstream means for another one."""
    if judgement.licence is None or judgement.state is LicenceState.BAD_SIGNATURE:
        return judgement
    return Judgement(judge_terms(judgement.licence, card_id, target, today), judgement.licence)


def sentence(judgement: Judgement, bitstream: Bitstream) -> str:
    """What is wrong and what to do, or that all is well."""
    licence = judgement.licence
    if licence is None:
        return {
            LicenceState.MISSING: "No licence in the pool's Secrets; add this card's file to one of them.",
            LicenceState.WRONG_CARD: "The licences in the pool's Secrets are for other cards; add this card's file.",
        }.get(judgement.state, "The licence file cannot be read; fetch it again from the issuer.")
    runs = f"bitstream {bitstream.version} of {bitstream.release_date}"
    return {
        LicenceState.VALID: f"Licensed up to {licence.max_version}.",
        LicenceState.EXPIRES_SOON: f"The licence ends on {licence.expires}; ask the issuer for a renewal.",
        LicenceState.EXPIRED: f"The licence ended on {licence.expires}; ask the issuer for a renewal.",
        LicenceState.VERSION_EXCEEDED: f"The licence covers up to {licence.max_version}, the card runs {runs}.",
        LicenceState.RELEASE_DATE_EXCEEDED: (
            f"The licence covers releases up to {licence.max_release_date}, the card runs {runs}."
        ),
        LicenceState.BAD_SIGNATURE: "The licence's signature is wrong; fetch the file again from the issuer.",
        LicenceState.WRONG_CARD: f"The licence is for card {licence.card_id}.",
        LicenceState.MISSING: "No licence for this card in the pool's Secrets.",
    }[judgement.state]
