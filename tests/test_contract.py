"""The MQTT contract, tested with bytes alone."""

import json
import tracemalloc
from base64 import b64encode, encodebytes
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector import contract
from inspector.errors import (
    FrameChecksumError,
    FrameEmptyError,
    FrameMessageError,
    frame_error_reasons,
)
from inspector.types import BankRef, Decision, Expected, FrameMessage, Region, StationId, Thresholds, Verdict

STATION = StationId.parse("plant/hall1/line1/cam1")
NOON = datetime(2026, 3, 1, 12, 0, 0, 125000, tzinfo=UTC)


def conforms(kind: Literal["frame", "verdict", "error"], document: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(document)
    schema = contract.schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(loaded)
    return loaded


def message(**changes: Any) -> FrameMessage:
    said = {
        "station": STATION,
        "frame_id": "f-1",
        "payload": b"picture",
        "sha256": contract.unpack(b"picture").sha256,
        "seq": 7,
        "captured_at": NOON,
        "part_id": "p1",
        "lot": "ü-lot",
        "recipe": "tile",
    }
    return FrameMessage(**{**said, **changes})


def raw(**properties: str) -> contract.RawFrame:
    return contract.unpack(b"picture", properties=list({"frame_id": "f-1", **properties}.items()))


def test_a_raw_image_with_properties_and_an_envelope_say_the_same() -> None:
    sent = message()
    plain = contract.unpack(sent.payload, content_type="image/jpeg", properties=contract.frame_properties(sent))
    envelope = contract.frame_envelope(sent)
    conforms("frame", envelope)
    assert contract.check(STATION, plain) == sent
    assert contract.check(STATION, contract.unpack(envelope)) == sent
    assert contract.check(STATION, contract.unpack(b"\xef\xbb\xbf\r\n " + envelope)) == sent
    declared = contract.unpack(envelope, content_type="application/json; charset=utf-8")
    assert contract.check(STATION, declared) == sent


def test_what_is_declared_an_image_is_one_whatever_its_bytes_begin_with() -> None:
    envelope = contract.frame_envelope(message())
    assert contract.unpack(envelope, content_type="image/jpeg").image == envelope


def test_only_the_frame_id_is_required() -> None:
    checked = contract.check(STATION, raw())
    assert (checked.seq, checked.captured_at, checked.part_id, checked.recipe) == (None, None, None, None)
    assert checked.expected is None


@pytest.mark.parametrize("expected", Expected)
def test_a_check_part_is_known_by_property_and_envelope(expected: Expected) -> None:
    sent = message(expected=expected)
    envelope = contract.frame_envelope(sent)
    assert conforms("frame", envelope)["expected"] == expected
    assert ("expected", expected) in contract.frame_properties(sent)
    assert contract.check(STATION, contract.unpack(envelope)) == sent
    plain = contract.unpack(sent.payload, properties=contract.frame_properties(sent))
    assert contract.check(STATION, plain) == sent


def test_a_check_part_is_known_also_where_something_else_is_malformed() -> None:
    opened = raw(expected="ng", seq="-1")
    with pytest.raises(FrameMessageError, match="seq: got") as caught:
        contract.check(STATION, opened)
    assert conforms("error", error_of(caught.value, opened))["expected"] == "ng"


def test_times_with_another_offset_become_utc() -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-5)))
    assert contract.check(STATION, raw(captured_at=local.isoformat())).captured_at == NOON


def test_times_have_four_digits_of_a_year() -> None:
    assert contract.timestamp(datetime(200, 1, 1, tzinfo=UTC)) == "0200-01-01T00:00:00.000000Z"
    assert contract.timestamp(None) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq", "-1"),
        ("seq", "1.5"),
        ("seq", "١"),
        ("seq", str(2**63)),
        ("seq", "9" * 5000),
        ("captured_at", "yesterday"),
        ("captured_at", "2026-03-01"),
        ("captured_at", "2026-03-01T12:00:00"),
        ("captured_at", "2026-13-01T12:00:00Z"),
        ("captured_at", "0001-01-01T00:00:00+23:59"),
        ("part_id", ""),
        ("lot", "a\nb"),
        ("recipe", "r" * 129),
        ("frame_id", "x" * 100_000),
        ("frame_id", ""),
        ("crc32", "12"),
        ("crc32", "0x123456"),
        ("expected", ""),
        ("expected", "NG"),
        ("expected", "uncertain"),
        ("expected", "okay"),
    ],
)
def test_a_malformed_property_is_named(name: str, value: str) -> None:
    with pytest.raises(FrameMessageError, match=rf"{name}: got .* expected") as caught:
        contract.check(STATION, raw(**{name: value}))
    assert len(str(caught.value)) < 300


def test_a_missing_frame_id_is_told_and_known_by_its_digest() -> None:
    nameless = contract.unpack(b"picture", properties=[("seq", "3")])
    with pytest.raises(FrameMessageError, match="frame_id is missing"):
        contract.check(STATION, nameless)
    assert nameless.frame_id == f"sha256:{nameless.sha256}"


def test_a_property_given_twice_is_refused() -> None:
    twice = contract.unpack(b"picture", properties=[("frame_id", "a"), ("frame_id", "b")])
    with pytest.raises(FrameMessageError, match="more than once"):
        contract.check(STATION, twice)


def test_properties_of_others_are_left_alone() -> None:
    seen = contract.unpack(b"picture", properties=[("frame_id", "a"), ("trace", "1"), ("trace", "2")])
    assert contract.check(STATION, seen).frame_id == "a"


@pytest.mark.parametrize(
    ("payload", "hint"),
    [
        (b"{", "not valid JSON"),
        (b"{" * 10_000, "not valid JSON"),
        (b'{"frame_id": "a"}', "image: got NoneType"),
        (b'{"frame_id": "a", "image": 3}', "image: got int"),
        (b'{"frame_id": "a", "image": "a"}', "not valid base64"),
        (b'{"frame_id": "a", "image": "\xff"}', "not valid JSON"),
        (b'{"frame_id": 7, "image": "YQ=="}', "frame_id: got 7"),
        (b'{"frame_id": "\\ud800", "image": "YQ=="}', "frame_id: got"),
        (b'{"frame_id": "a", "seq": true, "image": "YQ=="}', "seq: got True"),
        (b'{"frame_id": "a", "expected": true, "image": "YQ=="}', "expected: got True"),
        (b'{"frame_id": "a", "expected": ["ok"], "image": "YQ=="}', "expected: got ..ok"),
        (b'{"frame_id": "a", "seq": NaN, "image": "YQ=="}', "seq: got nan"),
    ],
)
def test_a_broken_envelope_is_told(payload: bytes, hint: str) -> None:
    opened = contract.unpack(payload)
    with pytest.raises(FrameMessageError, match=hint) as caught:
        contract.check(STATION, opened)
    conforms("error", error_of(caught.value, opened))


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ({}, True),
        ({"image": b64encode(b"picture" * 20).decode()}, True),
        ({"image": encodebytes(b"picture" * 20).decode()}, False),
        ({"image": "YQ==\n"}, False),
        ({"image": "YQ-_"}, False),
        ({"seq": 5}, True),
        ({"seq": 5.0}, True),
        ({"seq": 5.5}, False),
        ({"seq": 1e300}, False),
        ({"seq": 2**63 - 1}, True),
        ({"seq": 2**63}, False),
        ({"seq": "5"}, True),
        ({"seq": "9" * 18}, True),
        ({"seq": "9" * 19}, False),
        ({"seq": "5\n"}, False),
        ({"seq": ""}, False),
        ({"seq": True}, False),
        ({"seq": None, "part_id": None, "captured_at": None, "crc32": None}, True),
        ({"frame_id": "Teil Ä 1"}, True),
        ({"frame_id": "a\tb"}, False),
        ({"frame_id": 7}, False),
        ({"part_id": "p\n"}, False),
        ({"lot": "l\x7f"}, False),
        ({"recipe": ""}, False),
        ({"captured_at": "2026-03-01T12:00:00.123456789+01:00"}, True),
        ({"captured_at": "2026-03-01t12:00:00z"}, True),
        ({"captured_at": "2026-03-01T12:00:00.1234567890Z"}, False),
        ({"captured_at": "2026-03-01T12:00:60Z"}, False),
        ({"captured_at": "2026-03-01T12:00:00Z\n"}, False),
        ({"captured_at": "2026-03-01T12:00:00"}, False),
        ({"captured_at": "0001-01-01T00:00:00+01:00"}, False),
        ({"crc32": "DEADBEE"}, False),
        ({"crc32": 12345678}, False),
        ({"crc32": "e8b7be43\n"}, False),
        ({"crc32": "E8B7BE43"}, True),
    ],
)
def test_the_schema_of_an_envelope_and_the_daemon_agree(said: dict[str, Any], good: bool) -> None:
    envelope = {"frame_id": "f", "image": "YQ==", **said}
    assert jsonschema.Draft202012Validator(contract.schema("frame")).is_valid(envelope) is good
    opened = contract.unpack(json.dumps(envelope).encode())
    if good:
        contract.check(STATION, opened)
    else:
        with pytest.raises(FrameMessageError):
            contract.check(STATION, opened)


def test_an_envelope_that_is_no_object_is_told() -> None:
    with pytest.raises(FrameMessageError, match="got list"):
        contract.check(STATION, contract.unpack(b"[]", content_type="application/json"))


@pytest.mark.parametrize("values", [b"{},", b"[],", b"1,", b'"a":1,'], ids=["objects", "lists", "numbers", "fields"])
def test_an_envelope_of_very_many_values_is_told_before_they_fill_the_memory(values: bytes) -> None:
    begin, end = (b"{", b"}") if b":" in values else (b'{"a": [', b"]}")
    payload = begin + values * 500_000 + values[:-1] + end
    tracemalloc.start()
    unpacked = contract.unpack(payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert unpacked.fault is not None
    assert unpacked.fault.startswith("envelope: more than 10000 values, expected an object")
    assert peak < 100_000


def test_an_envelope_may_say_more_than_the_contract_asks_for() -> None:
    said = {
        "frame_id": "f",
        "image": b64encode(b"image").decode(),
        "positions": [{"x": at, "y": at} for at in range(2000)],
    }
    assert contract.unpack(json.dumps(said).encode()).fault is None


def test_a_wrong_checksum_is_told_with_both() -> None:
    with pytest.raises(FrameChecksumError, match="sent deadbeef, the 7 bytes that arrived have"):
        contract.check(STATION, raw(crc32="DEADBEEF"))


ANYTHING_SAID = st.dictionaries(st.sampled_from(contract.FRAME_PROPERTIES), st.text(max_size=20))


@given(st.binary(max_size=200), ANYTHING_SAID)
def test_any_message_is_a_frame_or_a_publishable_error(payload: bytes, said: dict[str, str]) -> None:
    opened = contract.unpack(payload, properties=list(said.items()))
    try:
        contract.check(STATION, opened)
    except (FrameMessageError, FrameChecksumError) as error:
        conforms("error", error_of(error, opened))


def error_of(error: Any, opened: contract.RawFrame) -> bytes:
    return contract.error_json(
        error, str(STATION), opened, result_id="r1", received_at=NOON, decided_at=NOON, quarantine_id=None
    )


def verdict(**changes: Any) -> Verdict:
    made = Verdict(
        result_id="r1",
        station=STATION,
        frame_id="f-1",
        seq=None,
        part_id=None,
        lot=None,
        recipe="tile",
        decision=Decision.UNCERTAIN,
        score=1.5,
        thresholds=Thresholds(1.0, 2.0, 1.2),
        p_value=0.01,
        regions=(Region(1, 2, 3, 4, 5, 1.4),),
        bank=BankRef("tile", "0" * 64),
        captured_at=None,
        received_at=NOON,
        decided_at=NOON,
        stage_ms={"decode": 1.23456},
        reason="between the thresholds",
    )
    return replace(made, **changes)


def test_a_verdict_keeps_its_schema() -> None:
    said = conforms("verdict", contract.verdict_json(verdict()))
    assert said["decision"] == "uncertain"
    assert said["check"] is None
    assert said["received_at"] == "2026-03-01T12:00:00.125000Z"
    assert said["stage_ms"] == {"decode": 1.235}


def test_the_verdict_of_a_check_part_says_whether_it_was_told() -> None:
    for expected, passed in ((Expected.NG, True), (Expected.OK, False)):
        said = conforms("verdict", contract.verdict_json(verdict(expected=expected)))
        assert said["check"] == {"expected": expected, "passed": passed}


def test_an_error_keeps_its_schema_and_tells_the_part() -> None:
    empty = contract.unpack(b"", properties=[("frame_id", "a"), ("part_id", "p")])
    said = conforms("error", error_of(FrameEmptyError("nothing"), empty))
    assert (said["reason"], said["part_id"], said["decision"]) == ("empty", "p", "error")


def test_the_error_schema_knows_every_reason() -> None:
    assert set(contract.schema("error")["properties"]["reason"]["enum"]) == set(frame_error_reasons())


def test_topics() -> None:
    topic = contract.station_topic(STATION, "frame")
    assert topic == "inspector/v1/plant/hall1/line1/cam1/frame"
    assert contract.instance_topic("main", "status") == "inspector/v1/_inspector/main/status"
