"""Options that cannot be meant, or cannot be obeyed, are refused by name; one file's fault is not the others'."""

import json
from pathlib import Path

import pytest
from gharial_cli.main import main

STARTER = Path(__file__).parents[2] / "models" / "starter"
SPEECH = str(STARTER / "samples" / "digits-jackson-004.flac")
WORDS = ["transcribe", SPEECH, "--checkpoint", str(STARTER / "starter.gharial")]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--beam-width 0", "--beam-width is for --decoder beam; give that too"),
        ("--ngram-scale 0", "--ngram-scale is for --decoder beam; give that too"),
        ("--ngram ngram.arpa", "--ngram is for --decoder beam; give that too"),
        ("--decoder beam --beam-width 17", "the beam's width is 17; give 1 to 16"),
        ("--decoder beam --ngram-scale nan", "the n-gram's weight is nan; give 0 (without it) or more"),
        ("--decoder beam --ngram-scale -1", "the n-gram's weight is -1; give 0 (without it) or more"),
        ("--decoder beam --ngram-scale 0.1", "but the model has none; give one with --ngram"),
        ("--reset-segment 15", "--reset-segment is for --state-resets; give that too"),
        ("--reset-overlap 3", "--reset-overlap is for --state-resets; give that too"),
        ("--state-resets --reset-segment inf", "the segment of state resets is inf s; give a multiple of 0.06 s"),
        ("--state-resets --reset-overlap nan", "the overlap of state resets is nan s; give a multiple of 0.06 s"),
        ("--silence-terminate-seconds inf", "cannot end after inf s of silence; give seconds, or leave it out"),
        ("--silence-terminate-seconds nan", "cannot end after nan s of silence; give seconds, or leave it out"),
        ("--eos-mode terminal --eos-multiplier nan", "needs a multiplier above 0"),
    ],
)
def test_an_option_that_cannot_be_obeyed_is_refused_with_the_remedy(
    options: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, *options.split()]) == 1
    told = capsys.readouterr()
    assert reason in told.err
    assert told.out == ""


def test_lengths_of_state_resets_have_defaults_each_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for options in ("--reset-segment 6", "--reset-overlap 1.2", "--reset-segment 2.4 --reset-overlap 1.2"):
        assert main([*WORDS, "--state-resets", *options.split()]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_decoded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    assert main(["transcribe", SPEECH, str(broken), SPEECH, *WORDS[2:], "--together", "1", "--json"]) == 1
    told = capsys.readouterr()
    assert [json.loads(line)["file"] for line in told.out.splitlines()] == [SPEECH, SPEECH]
    assert f"{broken} is no audio file that can be read" in told.err
