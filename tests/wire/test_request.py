"""The URL of a stream: what is understood, and what each mistake is answered with."""

from urllib.parse import quote

import pytest
from gharial_wire.formats.content_type import MODEL_FORMAT, AudioFormat, Coding
from gharial_wire.models import ModelIdentity, check_model
from gharial_wire.request import CONTENT_TYPE, STREAM_PATH, RequestError, StreamRequest, parse_target
from hypothesis import given
from hypothesis import strategies as st

RAW = f"{STREAM_PATH}?content_type={CONTENT_TYPE}"
ENCODED = f"{STREAM_PATH}?content_type=audio%2Fx-raw%3Bformat%3DS16LE%3Bchannels%3D1%3Brate%3D16000"


@pytest.mark.parametrize("target", [RAW, ENCODED, STREAM_PATH, STREAM_PATH + "?"])
def test_both_spellings_of_the_content_type_and_none_at_all_mean_the_same(target: str) -> None:
    assert parse_target(target) == StreamRequest(model=None, version="latest", language=None, alternatives=1)


def test_every_parameter_is_read() -> None:
    target = RAW + "&model=general&version=v1&lang=en-GB&alternatives=4"
    assert parse_target(target) == StreamRequest("general", "v1", "en-GB", 4)


def test_order_and_case_inside_the_content_type_do_not_matter() -> None:
    parse_target(f"{STREAM_PATH}?lang=en&content_type=Audio/X-Raw;%20rate=16000;Channels=1;format=s16le")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("content_type=audio/wav", ["content_type", "'audio/wav'", "audio/x-raw"]),
        ("content_type=", ["content_type", "audio/x-raw"]),
        ("content_type=audio/x-raw", ["lacks format", "format=S16LE"]),
        ("content_type=audio/x-raw;format=S16LE;channels=1", ["lacks rate", "rate=16000"]),
        ("content_type=audio/x-raw;format=S24LE;channels=1;rate=16000", ["format='S24LE'", "S16LE or F32LE or MULAW"]),
        ("content_type=audio/x-raw;format=S16LE;channels=9;rate=16000", ["channels is '9'", "1 to 8"]),
        ("content_type=audio/x-raw;format=S16LE;channels=0;rate=16000", ["channels is '0'", "1 to 8"]),
        ("content_type=audio/x-raw;format=S16LE;channels=1;rate=7999", ["rate is '7999'", "8000 to 48000"]),
        ("content_type=audio/x-raw;format=S16LE;channels=1;rate=48001", ["rate is '48001'", "8000 to 48000"]),
        ("content_type=audio/x-raw;format=S16LE;channels=1;rate=16000;x=1", ["'x'", "format=S16LE;channels=1"]),
        ("content_type=audio/x-mulaw", ["lacks channels", "audio/x-mulaw;channels=1;rate=8000"]),
        ("content_type=audio/x-mulaw;format=ALAW;channels=1;rate=8000", ["'format'", "audio/x-mulaw;channels"]),
        ("content_type=audio/ogg", ["lacks codecs", "audio/ogg;codecs=opus"]),
        ("content_type=audio/ogg;codecs=vorbis", ["'vorbis'", "codecs=opus"]),
        ("content_type=audio/webm;codecs=opus;rate=48000", ["'rate'", "audio/webm;codecs=opus"]),
        ("content_type=audio/flac;rate=16000", ["'rate'", "audio/flac"]),
        ("words=1", ["words is '1'", "true or false"]),
        ("pauses=0.1", ["pauses is '0.1'", "0.3 to 10.0"]),
        ("pauses=nan", ["pauses is 'nan'", "as in 0.6"]),
        ("pauses=%D9%A1", ["pauses is", "as in 0.6"]),
        ("channel=2", ["channel is '2'", "1 to 1"]),
        ("channel=3&content_type=audio/x-raw;format=S16LE;channels=2;rate=16000", ["channel is '3'", "1 to 2"]),
        ("channel=left&content_type=audio/flac", ["channel is 'left'", "1 to 8"]),
        ("content_type=audio/x-raw;rate=16000;rate=16000", ["rate twice"]),
        ("alternatives=0", ["alternatives", "'0'", "1 to 100"]),
        ("alternatives=101", ["alternatives", "1 to 100"]),
        ("alternatives=-1", ["alternatives", "1 to 100"]),
        ("alternatives=two", ["alternatives", "'two'"]),
        ("alternatives=%D9%A1", ["alternatives", "1 to 100"]),
        ("alternatives=", ["alternatives", "1 to 100"]),
        ("lang=english%20please", ["lang", "BCP 47"]),
        ("lang=", ["lang", "BCP 47"]),
        ("model=", ["model", "general"]),
        ("model=a%20b", ["model", "'a b'"]),
        ("version=%0d%0aX:1", ["version", "v1"]),
        ("model=general&model=general", ["model", "twice"]),
        ("modle=general", ["unknown parameter 'modle'", "content_type, model, version, lang, alternatives"]),
        ("model=%ff", ["UTF-8"]),
        ("&".join(f"p{n}=1" for n in range(100)), ["at most 32"]),
    ],
)
def test_a_bad_query_is_a_400_that_names_parameter_and_remedy(query: str, named: list[str]) -> None:
    with pytest.raises(RequestError) as refused:
        parse_target(f"{STREAM_PATH}?{query}")
    assert refused.value.status == 400
    for words in named:
        assert words in str(refused.value)


@pytest.mark.parametrize("path", ["/", "/asr/v0.1/stream/", "/asr/v0.2/stream", "/asr/v0.1/stream%20", "*", ""])
def test_another_path_is_a_404_that_names_the_right_one(path: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_target(path)
    assert refused.value.status == 404
    assert STREAM_PATH in str(refused.value)


@pytest.mark.parametrize(
    ("content_type", "audio"),
    [
        ("audio/x-raw;format=F32LE;channels=1;rate=48000", AudioFormat(Coding.F32LE, 48000, 1)),
        ("audio/x-raw;format=mulaw;channels=2;rate=8000", AudioFormat(Coding.MULAW, 8000, 2)),
        ("audio/x-mulaw;rate=8000;channels=1", AudioFormat(Coding.MULAW, 8000, 1)),
        ("audio/x-alaw;rate=8000;channels=1", AudioFormat(Coding.ALAW, 8000, 1)),
        ("audio/ogg; codecs=opus", AudioFormat(Coding.OGG_OPUS, 0, 0)),
        ('audio/webm;codecs="opus"', AudioFormat(Coding.WEBM_OPUS, 0, 0)),
        ("audio/flac", AudioFormat(Coding.FLAC, 0, 0)),
    ],
)
def test_every_format_is_read_in_both_spellings(content_type: str, audio: AudioFormat) -> None:
    for spelling in (content_type, quote(content_type, safe=""), quote(content_type, safe="/=;")):
        assert parse_target(f"{STREAM_PATH}?content_type={spelling}").audio == audio


def test_additions_are_off_until_they_are_asked_for() -> None:
    plain = parse_target(STREAM_PATH)
    assert (plain.words, plain.pauses) == (False, None)
    asked = parse_target(f"{STREAM_PATH}?words=true&pauses=0.6")
    assert (asked.words, asked.pauses) == (True, 0.6)


def test_a_channel_is_chosen_where_there_are_several() -> None:
    stereo = f"{STREAM_PATH}?content_type=audio/x-raw;format=S16LE;channels=2;rate=16000&channel=2"
    assert parse_target(stereo).audio == AudioFormat(Coding.S16LE, 16000, 2, 2)
    assert parse_target(f"{STREAM_PATH}?content_type=audio/flac&channel=8").audio.channel == 8
    assert parse_target(f"{STREAM_PATH}?channel=1").audio == MODEL_FORMAT


@given(st.text())
def test_any_text_is_a_request_or_a_short_printable_error(query: str) -> None:
    try:
        parse_target(f"{STREAM_PATH}?{query}")
    except RequestError as error:
        assert error.status == 400
        assert len(str(error)) < 250
        assert str(error).isprintable()


LOADED = ModelIdentity("general", "v2", "en")


@pytest.mark.parametrize(
    "request_",
    [
        StreamRequest(),
        StreamRequest(model="general", version="v2", language="en"),
        StreamRequest(language="EN"),
        StreamRequest(language="en-GB"),
    ],
)
def test_the_loaded_model_serves_what_it_fits(request_: StreamRequest) -> None:
    check_model(request_, LOADED)


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (StreamRequest(model="medical"), ["model medical", "general"]),
        (StreamRequest(version="v1"), ["version v1", "v2"]),
        (StreamRequest(language="de"), ["lang de", "en"]),
        (StreamRequest(language="enx"), ["lang enx", "en"]),
    ],
)
def test_a_model_that_is_not_loaded_is_a_400_that_names_the_loaded_one(
    request_: StreamRequest, named: list[str]
) -> None:
    with pytest.raises(RequestError) as refused:
        check_model(request_, LOADED)
    assert refused.value.status == 400
    for words in named:
        assert words in str(refused.value)


def test_a_model_for_one_region_does_not_serve_the_whole_language() -> None:
    with pytest.raises(RequestError, match="lang en "):
        check_model(StreamRequest(language="en"), ModelIdentity(language="en-GB"))


def test_keywords_are_phrases_with_boosts() -> None:
    target = "/asr/v0.1/stream?keywords=gharial:0.5,long%20nose,mugger:-1,"
    assert parse_target(target).keywords == (("gharial", 0.5), ("long nose", 1.0), ("mugger", -1.0))
    assert parse_target("/asr/v0.1/stream?keywords=").keywords == ()


def test_a_boost_that_is_no_number_is_refused_with_the_form() -> None:
    with pytest.raises(RequestError, match="keywords has 'gharial:much'; give phrase:boost"):
        parse_target("/asr/v0.1/stream?keywords=gharial:much")


def test_a_keyword_given_twice_is_refused() -> None:
    with pytest.raises(RequestError, match="keywords has 'gharial' twice; give each phrase once"):
        parse_target("/asr/v0.1/stream?keywords=gharial:0.5,nose,gharial")
