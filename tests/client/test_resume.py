"""Where a client goes on after a lost connection."""

import pytest
from gharial_client.resume import LOOK_BACK_SECONDS, ResumePoint, resume_point
from gharial_wire.answers import Alternative, Answer
from hypothesis import given
from hypothesis import strategies as st


def finals(*transcripts: str) -> list[Answer]:
    return [Answer(0.06 * n, 0.06 * (n + 1), False, (Alternative(text, 1.0),)) for n, text in enumerate(transcripts)]


def test_nothing_heard_yet_starts_at_the_beginning() -> None:
    assert resume_point([]) == ResumePoint(0.0, 0)


def test_a_pause_at_the_end_is_where_to_go_on() -> None:
    point = resume_point(finals(" one", *[""] * 8))
    assert (point.kept, point.seconds) == (1, pytest.approx(0.06))


def test_text_behind_the_last_pause_is_taken_back() -> None:
    point = resume_point(finals(" one", *[""] * 8, " tw"))
    assert point.kept == 1


def test_a_short_silence_is_no_pause() -> None:
    heard = finals(" one", *[""] * 7, " tw")
    assert resume_point(heard) == ResumePoint(heard[-1].end, len(heard))


def test_in_a_long_silence_only_its_last_half_second_is_sent_again() -> None:
    heard = finals(" one", *[""] * 1000)
    point = resume_point(heard)
    assert heard[-1].end - point.seconds == pytest.approx(0.48)


def test_a_pause_too_long_ago_is_not_gone_back_to() -> None:
    heard = finals(*[""] * 20, *[" word"] * round(LOOK_BACK_SECONDS / 0.06 + 5))
    assert resume_point(heard) == ResumePoint(heard[-1].end, len(heard))


def test_a_long_gap_between_finals_is_a_pause() -> None:
    heard = [Answer(start, end, False, (Alternative(" w", 1.0),)) for start, end in [(0, 1), (2, 3), (3, 4), (4.3, 5)]]
    point = resume_point(heard)
    assert (point.kept, point.seconds) == (1, pytest.approx(1.52))


@given(st.lists(st.sampled_from(["", "", "", " a", "b"]), max_size=300))
def test_the_kept_text_ends_where_the_audio_goes_on(transcripts: list[str]) -> None:
    heard = finals(*transcripts)
    point = resume_point(heard)
    assert 0 <= point.kept <= len(heard)
    assert point.seconds == pytest.approx(heard[point.kept - 1].end if point.kept else 0.0)
