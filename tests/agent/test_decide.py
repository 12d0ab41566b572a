"""Decisions about one card, rule by rule: no clocks, no files, no processes."""

from dataclasses import replace
from datetime import date

import pytest
from gharial_agent.cards.protocol import Card
from gharial_agent.decide.facts import CardFacts, Desired, Image, Limits, NodeFacts, Operation, Target
from gharial_agent.decide.node import decide
from gharial_agent.decide.verdict import (
    Fail,
    Fetch,
    Flash,
    HadPower,
    PowerCycle,
    Succeed,
    Taint,
    TakeIntoService,
    Verdict,
)
from gharial_agent.store import CardRecord, Intent, Step
from gharial_api.rollout import PowerStep
from gharial_wire.licence import Bitstream, Judgement, Licence, LicenceState
from licence_troubles import TROUBLES

NOW = 1_000_000.0
ID = "0123456789abcdef"
NEW = Target("1.14.0", "a" * 64)
OTHER = Target("1.13.0", "b" * 64)
OLD = Bitstream("1.0.0", date(2024, 1, 1))
CURRENT = Bitstream("1.14.0", date(2026, 1, 1))
READY_IMAGE = Image(release_date=date(2026, 1, 1))
VALID = Judgement(LicenceState.VALID)
CARD = Card(ID, "0000:25:00.0", "1", OLD, "", 16, 0)
FACTS = CardFacts(ID, CardRecord("0000:25:00.0", "1"), CARD, False, VALID, "", VALID)
WANTED = Desired(NEW, True)
LIMITS = Limits()


def intent(step: Step, ago: float = 0.0, **changes: object) -> Intent:
    made = Intent(NEW.version, NEW.sha256, 1, step, NOW - ago)
    return replace(made, **changes)  # type: ignore[arg-type]


def with_intent(made: Intent, facts: CardFacts = FACTS) -> CardFacts:
    return replace(facts, record=replace(facts.record, intent=made))


def in_service(facts: CardFacts = FACTS, version: str = "1.0.0") -> CardFacts:
    return replace(facts, record=replace(facts.record, in_service=version))


def verdict(
    facts: CardFacts = FACTS,
    desired: Desired = WANTED,
    image: Image = READY_IMAGE,
    operation: Operation | None = None,
) -> Verdict:
    return decide(NodeFacts((facts,), image, operation), desired, NOW, LIMITS).verdicts[ID]


def test_an_outdated_card_is_flashed_once_the_file_is_there() -> None:
    assert verdict(image=Image()).action == Fetch(NEW)
    assert verdict().action == Flash(ID, NEW, 1)


def test_a_card_on_its_way_goes_from_step_to_step() -> None:
    assert verdict(with_intent(intent(Step.WRITTEN))).action == PowerCycle(ID)
    assert verdict(with_intent(intent(Step.POWERING_OFF))).action == PowerCycle(ID)
    away = replace(FACTS, card=None)
    assert verdict(with_intent(intent(Step.POWERED_ON, ago=10), away)).phase == "Enumerating"
    back = replace(FACTS, card=replace(CARD, bitstream=CURRENT))
    assert verdict(with_intent(intent(Step.POWERED_ON), back)).action == Succeed(ID)
    done = verdict(back)
    assert (done.phase, done.taint, done.action) == ("Ready", Taint.NONE, TakeIntoService(ID, "1.14.0"))
    assert verdict(in_service(back, "1.14.0")).action is None


@pytest.mark.parametrize("step", [Step.WRITING, Step.WRITTEN, Step.POWERING_OFF, Step.POWERED_ON])
def test_what_has_begun_is_finished_on_hold_too(step: Step) -> None:
    hold = replace(WANTED, may_flash=False)
    assert verdict(with_intent(intent(step)), hold).action is not None


def test_a_half_written_card_is_written_with_the_bitstream_that_is_wanted_now() -> None:
    newer = Target("1.15.0", "b" * 64)
    left = with_intent(intent(Step.WRITING, attempt=3))
    assert verdict(left, replace(WANTED, target=newer)).action == Flash(ID, newer, 1)
    assert verdict(left).action == Flash(ID, NEW, 3)


def test_a_card_that_does_not_come_back_or_comes_back_old_has_failed() -> None:
    away = with_intent(intent(Step.POWERED_ON, ago=LIMITS.boot_seconds + 1), replace(FACTS, card=None))
    assert isinstance(verdict(away).action, Fail)
    assert verdict(away).reason == "CardNotEnumerated"
    assert verdict(with_intent(intent(Step.POWERED_ON))).reason == "FlashFailed"


def test_a_failed_attempt_is_repeated_after_a_pause_that_doubles() -> None:
    failed = intent(Step.FAILED, ago=LIMITS.pause_after(1) - 1, reason="FlashFailed", message="It failed.")
    waiting = verdict(with_intent(failed))
    assert (waiting.phase, waiting.reason, waiting.action) == ("Failed", "FlashFailed", None)
    due = replace(failed, time=NOW - LIMITS.pause_after(1))
    assert verdict(with_intent(due)).action == Flash(ID, NEW, 2)
    assert verdict(with_intent(replace(due, attempt=2))).action is None
    assert LIMITS.pause_after(100) == LIMITS.longest_backoff_seconds


def test_a_failure_of_another_bitstream_does_not_count() -> None:
    failed = intent(Step.FAILED, sha256="c" * 64, reason="FlashFailed", message="It failed.", attempt=9)
    assert verdict(with_intent(failed)).action == Flash(ID, NEW, 1)


def test_a_card_that_a_flash_left_off_the_bus_is_reached_by_jtag_again() -> None:
    failed = intent(Step.FAILED, ago=3600, reason="CardNotEnumerated", message="Gone.")
    assert verdict(with_intent(failed, replace(FACTS, card=None))).action == Flash(ID, NEW, 2)


def test_a_card_that_goes_by_itself_evicts_its_pod_and_is_not_flashed() -> None:
    lost = verdict(in_service(replace(FACTS, card=None)))
    assert (lost.reason, lost.taint, lost.action) == ("CardNotEnumerated", Taint.NO_EXECUTE, None)


def test_a_serving_card_goes_on_serving_while_its_bitstream_waits() -> None:
    serving = in_service()
    waits = {
        "hold": verdict(serving, replace(WANTED, may_flash=False, hold_reason="PausedByAdmin: paused.")),
        "fetch": verdict(serving, image=Image()),
        "checksum": verdict(serving, image=Image(reason="ChecksumMismatch", message="Wrong.", retry_at=NOW + 1)),
        "licence": verdict(replace(serving, target_licence=too_new())),
    }
    assert {name: (v.phase, v.taint) for name, v in waits.items()} == dict.fromkeys(waits, ("Ready", Taint.NONE))
    assert "paused." in waits["hold"].message
    assert isinstance(waits["fetch"].action, Fetch) and waits["checksum"].action is None
    assert waits["licence"].reason == "LicenceVersionExceeded"


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (LicenceState.VERSION_EXCEEDED, "LicenceVersionExceeded", ("1.5.0", "1.14.0")),
        (
            LicenceState.RELEASE_DATE_EXCEEDED,
            "LicenceReleaseDateExceeded",
            ("2025-01-01", "2026-01-01"),
        ),
    ],
)
def test_a_licence_too_old_for_the_target_says_which_of_its_limits_is_in_the_way(
    state: LicenceState, reason: str, words: tuple[str, str]
) -> None:
    waits = verdict(replace(in_service(), target_licence=too_new(state)))
    assert (waits.reason, waits.action, waits.taint) == (reason, None, Taint.NONE)
    assert all(word in waits.message for word in words), waits.message


def test_a_card_that_never_served_gets_no_pod_while_it_waits() -> None:
    for waiting in (verdict(image=Image()), verdict(desired=replace(WANTED, may_flash=False))):
        assert (waiting.phase, waiting.taint) == ("Pending", Taint.NO_SCHEDULE)


def test_a_card_in_use_is_waited_for_and_an_idle_pod_is_sent_away() -> None:
    used = replace(in_service(), claimed=True, card=replace(CARD, streams_used=3))
    assert (verdict(used).phase, verdict(used).taint) == ("WaitingForStreams", Taint.NO_SCHEDULE)
    idle = replace(used, card=CARD)
    assert (verdict(idle).phase, verdict(idle).taint) == ("WaitingForStreams", Taint.NO_EXECUTE)
    assert verdict(used).action is None and verdict(idle).action is None


@pytest.mark.parametrize(("state", "reason"), TROUBLES)
def test_an_unlicensed_card_gets_no_pod_and_says_why(state: LicenceState, reason: str) -> None:
    card = replace(FACTS, card=replace(CARD, bitstream=CURRENT), licence=Judgement(state), licence_message="Why.")
    unlicensed = verdict(in_service(card, "1.14.0"))
    assert (unlicensed.phase, unlicensed.reason, unlicensed.taint) == ("Pending", reason, Taint.NO_EXECUTE)
    assert "Why." in unlicensed.message
    # The same while a new bitstream waits: the pod of a card that takes no stream must not keep drawing them.
    waits = verdict(replace(in_service(card, "1.14.0"), card=replace(CARD, bitstream=CURRENT)), Desired(OTHER, False))
    assert (waits.phase, waits.taint) == ("Pending", Taint.NO_EXECUTE)


def test_a_card_without_a_licence_is_flashed_all_the_same() -> None:
    missing = Judgement(LicenceState.MISSING)
    assert verdict(replace(FACTS, licence=missing, target_licence=missing)).action == Flash(ID, NEW, 1)


def test_an_unhealthy_card_is_not_flashed() -> None:
    sick = verdict(replace(FACTS, card=replace(CARD, health_message="it is hung")))
    assert (sick.reason, sick.taint, sick.action) == ("CardUnhealthy", Taint.NO_EXECUTE, None)


def test_a_quiet_flash_tool_is_named_with_the_moment_of_its_last_word_and_left_alone() -> None:
    writing = with_intent(intent(Step.WRITING))
    quiet = verdict(writing, operation=Operation("Flash", ID, 40, heard=NOW - LIMITS.silence_seconds - 1))
    assert (quiet.phase, quiet.reason, quiet.action) == ("Flashing", "FlashToolSilent", None)
    assert "said nothing since 13:45:39 UTC" in quiet.message
    talking = verdict(writing, operation=Operation("Flash", ID, 40, heard=NOW - 1))
    assert (talking.phase, talking.reason) == ("Flashing", "Flashing")


def test_cards_are_flashed_one_at_a_time() -> None:
    second = replace(FACTS, unique_id="f" * 16)
    plan = decide(NodeFacts((FACTS, second), READY_IMAGE), WANTED, NOW, LIMITS)
    assert plan.actions == (Flash(ID, NEW, 1),)
    busy = NodeFacts((FACTS, second), READY_IMAGE, Operation("Flash", ID, 40))
    plan = decide(busy, WANTED, NOW, LIMITS)
    assert plan.actions == ()
    assert "40 %" in plan.verdicts[ID].message
    assert "waits its turn" in plan.verdicts["f" * 16].message


MACHINE = replace(WANTED, whole_machine=True)


@pytest.mark.parametrize("step", [Step.WRITTEN, Step.POWERING_OFF])
def test_a_card_without_a_switch_of_its_own_waits_for_its_machines_power(step: Step) -> None:
    waiting = verdict(with_intent(intent(step)), MACHINE)
    assert (waiting.phase, waiting.reason, waiting.taint) == ("PowerCycling", "PowerCycleRequired", Taint.NO_SCHEDULE)
    assert waiting.action is None and "waits for a power cycle of its machine" in waiting.message
    told = replace(MACHINE, may_flash=False, hold_reason="PowerCycleRequired: power-cycle node-a.", power="Waiting")
    assert verdict(with_intent(intent(step)), told).message.endswith("PowerCycleRequired: power-cycle node-a.")


def test_a_machine_that_had_no_power_is_asked_what_its_cards_run() -> None:
    back = replace(FACTS, card=replace(CARD, bitstream=CURRENT))
    written = intent(Step.WRITTEN, ago=3600)
    assert verdict(with_intent(written, back), MACHINE).action == Succeed(ID), "a person may have power-cycled it"
    turned_on = replace(MACHINE, may_flash=False, power="TurnedOn")
    for found in (FACTS, replace(FACTS, card=None)):
        assert verdict(with_intent(written, found), turned_on).action == HadPower(ID)
    had_power = intent(Step.POWERED_ON)
    assert verdict(with_intent(had_power, replace(FACTS, card=None)), turned_on).phase == "Enumerating"
    assert verdict(with_intent(had_power), turned_on).reason == "FlashFailed"


@pytest.mark.parametrize("step", ["Waiting", "TurningOff", "KeptOff", "TurningOn"])
def test_nothing_is_written_while_the_machine_may_lose_its_power(step: PowerStep) -> None:
    going = replace(MACHINE, power=step)
    for facts in (FACTS, with_intent(intent(Step.WRITING)), with_intent(intent(Step.WRITTEN, sha256="c" * 64))):
        assert verdict(facts, going).action is None
    assert verdict(with_intent(intent(Step.WRITING)), going).phase == "Flashing"


def test_what_nobody_wants_any_more_is_written_over_before_the_power_cycle_makes_it_live() -> None:
    outlived = with_intent(intent(Step.WRITTEN, version="1.13.0", sha256="c" * 64))
    for wanted in (MACHINE, replace(MACHINE, may_flash=False)):
        found = verdict(outlived, wanted)
        assert (found.phase, found.action) == ("Flashing", Flash(ID, NEW, 1))
    assert verdict(outlived).action == PowerCycle(ID), "a card with a switch of its own goes on as it has begun"


@pytest.mark.parametrize("step", ["TurningOff", "KeptOff", "TurningOn"])
def test_a_bitstream_changed_while_the_machine_goes_off_and_on_waits_until_it_is_back(step: PowerStep) -> None:
    outlived = with_intent(intent(Step.WRITTEN, version="1.13.0", sha256="c" * 64))
    found = verdict(outlived, replace(MACHINE, may_flash=False, power=step))
    assert (found.phase, found.action) == ("PowerCycling", None), "Flashing would hold up the power that it waits for"


def too_new(state: LicenceState = LicenceState.VERSION_EXCEEDED) -> Judgement:
    licence = Licence(
        card_id=ID, max_version="1.5.0", max_release_date=date(2025, 1, 1), issued=date(2024, 1, 1)
    )  # fmt: skip
    return Judgement(state, licence)
