"""Firms, numbers, districts, trades, symptoms, temperatures, times and streams."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from stdnum.cn import uscc

from contracts.districts import DISTRICTS, DistrictCode
from contracts.firms import ContractNo, credit_code_check_character, parse_credit_code, parse_number
from contracts.invalid import Flaw, InvalidValue
from contracts.streams import contract_stream, station_stream
from contracts.symptoms import SYMPTOM_LABELS, Symptom, Symptoms
from contracts.temperatures import MeasuredCelsius
from contracts.times import Day, UtcTime, is_ahead, shanghai_date, shanghai_midnight
from contracts.trades import TRADES, TradeCode

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_CODE = "91999900MA1FL0AA1" + credit_code_check_character("91999900MA1FL0AA1")

credit_codes = st.text(alphabet=ALPHABET, min_size=17, max_size=17).map(lambda code: code + credit_code_check_character(code))


def error_types(value_type: Any, value: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(value_type).validate_python(value)
    return [error["type"] for error in caught.value.errors()]


class TestParseCreditCode:
    @given(credit_codes)
    def test_reads_codes_that_start_with_a_letter_too(self, code: str) -> None:
        assert code == parse_credit_code(code)

    @given(credit_codes, st.integers(0, 17), st.sampled_from(ALPHABET))
    def test_refuses_every_change_of_a_single_character(self, code: str, place: int, other: str) -> None:
        changed = code[:place] + other + code[place + 1 :]
        if changed == code:
            return
        with pytest.raises(InvalidValue):
            parse_credit_code(changed)

    @given(st.from_regex(rf"[0-9]{{8}}[{ALPHABET}]{{9}}", fullmatch=True))
    def test_agrees_with_python_stdnum_where_that_one_knows_the_form(self, seventeen: str) -> None:
        assert uscc.calc_check_digit(seventeen) == credit_code_check_character(seventeen)

    def test_makes_letters_capitals(self) -> None:
        assert CREDIT_CODE == parse_credit_code(CREDIT_CODE.lower())

    @pytest.mark.parametrize(
        ("text", "flaw"),
        [
            ("", Flaw.CREDIT_CODE_LENGTH),
            (CREDIT_CODE[:-1], Flaw.CREDIT_CODE_LENGTH),
            (CREDIT_CODE + "0", Flaw.CREDIT_CODE_LENGTH),
            (CREDIT_CODE + "\n", Flaw.CREDIT_CODE_CHARACTERS),
            ("I" + CREDIT_CODE[1:], Flaw.CREDIT_CODE_CHARACTERS),
            ("９" + CREDIT_CODE[1:], Flaw.CREDIT_CODE_CHARACTERS),
            ("ß" + CREDIT_CODE[1:], Flaw.CREDIT_CODE_CHARACTERS),
            ("8" + CREDIT_CODE[1:], Flaw.CREDIT_CODE_CHECK_CHARACTER),
        ],
    )
    def test_refuses_the_rest(self, text: str, flaw: Flaw) -> None:
        with pytest.raises(InvalidValue) as caught:
            parse_credit_code(text)
        assert flaw == caught.value.flaw


class TestParseNumber:
    @pytest.mark.parametrize("number", ["W2017050130174", "1902HK0001", "沪建(2019)第3号", "A-1_b.2"])
    def test_keeps_what_an_authority_gave(self, number: str) -> None:
        assert number == parse_number(number)

    @pytest.mark.parametrize(
        ("number", "flaw"),
        [
            ("", Flaw.BLANK),
            ("W" * 41, Flaw.TEXT_TOO_LONG),
            ("W\u200b1", Flaw.INVISIBLE_CHARACTERS),
            ("W 1", Flaw.NUMBER_CHARACTERS),
            ("W/1", Flaw.NUMBER_CHARACTERS),
            ("W?1", Flaw.NUMBER_CHARACTERS),
            ("..", Flaw.NUMBER_CHARACTERS),
        ],
    )
    def test_refuses_what_cannot_stand_in_a_path(self, number: str, flaw: Flaw) -> None:
        assert error_types(ContractNo, number) == [flaw.value] or flaw in {Flaw.BLANK, Flaw.TEXT_TOO_LONG}
        with pytest.raises(InvalidValue) as caught:
            parse_number(number)
        assert flaw == caught.value.flaw


class TestCodes:
    def test_know_the_sixteen_districts(self) -> None:
        assert len(DISTRICTS) == 16
        assert TypeAdapter(DistrictCode).validate_python("310151") == "310151"

    @pytest.mark.parametrize("code", ["310103", "31010", "", "浦东"])
    def test_refuse_other_districts(self, code: str) -> None:
        assert error_types(DistrictCode, code) == [Flaw.DISTRICT_UNKNOWN.value]

    def test_know_the_trades_of_the_national_platform(self) -> None:
        assert len(TRADES) == 39
        assert TypeAdapter(TradeCode).validate_python("010") == "010"
        assert error_types(TradeCode, "10") == [Flaw.TRADE_UNKNOWN.value]

    def test_label_every_symptom_in_the_order_of_the_form(self) -> None:
        assert list(Symptom) == list(SYMPTOM_LABELS)


class TestSymptoms:
    def test_stand_beside_each_other(self) -> None:
        assert TypeAdapter(Symptoms).validate_python(["cough", "fever"]) == (Symptom.COUGH, Symptom.FEVER)

    @pytest.mark.parametrize(
        ("ticked", "flaw"), [(["none", "fever"], Flaw.SYMPTOM_NONE_EXCLUDES), (["fever", "fever"], Flaw.SYMPTOM_REPEATED)]
    )
    def test_refuse_what_contradicts(self, ticked: list[str], flaw: Flaw) -> None:
        assert error_types(Symptoms, ticked) == [flaw.value]


class TestMeasuredCelsius:
    @given(st.integers(300, 450))
    def test_reads_every_step_of_a_tenth(self, tenths: int) -> None:
        assert TypeAdapter(MeasuredCelsius).validate_json(f"{tenths // 10}.{tenths % 10}") == tenths / 10

    @pytest.mark.parametrize("celsius", [29.9, 45.1, 0, -37.0, 98.6, float("nan"), float("inf")])
    def test_refuses_what_no_living_person_has(self, celsius: float) -> None:
        assert error_types(MeasuredCelsius, celsius) == [Flaw.TEMPERATURE_RANGE.value]

    @pytest.mark.parametrize("celsius", [37.25, 36.999])
    def test_refuses_finer_steps(self, celsius: float) -> None:
        assert error_types(MeasuredCelsius, celsius) == [Flaw.TEMPERATURE_STEP.value]


class TestTimes:
    def test_are_kept_in_utc(self) -> None:
        time = TypeAdapter(UtcTime).validate_json('"2020-02-18T15:44:35+08:00"')
        assert time == datetime(2020, 2, 18, 7, 44, 35, tzinfo=UTC)
        assert time.utcoffset() == timedelta()

    def test_need_an_offset(self) -> None:
        assert error_types(UtcTime, "2020-02-18T15:44:35") == ["timezone_aware"]

    @pytest.mark.parametrize("number", ["0", "1582761600", "-1", 0, 1582761600, 1.5, "20200218", True])
    def test_are_no_numbers(self, number: object) -> None:
        assert [["date_parsing"]] * 2 == [error_types(each, number) for each in (UtcTime, Day)]

    def test_are_not_days(self) -> None:
        assert ["date_parsing"] == error_types(UtcTime, "2020-02-18")
        assert ["date_parsing"] == error_types(Day, "2020-02-18T00:00:00+08:00")

    @pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "3000-01-01T00:00:00Z"])
    def test_refuse_what_would_overflow(self, text: str) -> None:
        assert error_types(UtcTime, text) == [Flaw.TIME_RANGE.value]

    @pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31"])
    def test_refuse_days_that_would_overflow(self, text: str) -> None:
        assert error_types(Day, text) == [Flaw.TIME_RANGE.value]

    @given(st.datetimes(datetime(1901, 1, 1), datetime(2998, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive by contract
    def test_begin_a_day_at_midnight_in_shanghai(self, time: datetime) -> None:
        day = shanghai_date(time)
        assert shanghai_midnight(day) <= time < shanghai_midnight(day + timedelta(days=1))

    def test_change_the_day_at_16_utc(self) -> None:
        assert shanghai_date(datetime(2020, 2, 18, 15, 59, 59, tzinfo=UTC)) == date(2020, 2, 18)
        assert shanghai_date(datetime(2020, 2, 18, 16, 0, tzinfo=UTC)) == date(2020, 2, 19)

    def test_may_be_ahead_by_five_minutes_only(self) -> None:
        now = datetime(2020, 2, 18, 16, tzinfo=UTC)
        assert not is_ahead((now + timedelta(minutes=5)).astimezone(timezone(timedelta(hours=8))), now)
        assert is_ahead(now + timedelta(minutes=5, microseconds=1), now)


class TestStreams:
    def test_never_change_for_a_name(self) -> None:
        # Written down: another value would give every contract and station a second stream.
        assert str(contract_stream("W2019010100011")) == "c459e1aa-6e01-5e26-ba89-19c0aea733dd"
        assert str(station_stream("虹口")) == "84ceab72-f365-5755-b408-7b146d2ccee1"
