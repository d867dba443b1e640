"""Citizen identity numbers. Everybody here is invented: most numbers carry the region 429999, which does not exist."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.citizen_id import CitizenIdWarning, check_character, is_current_region, parse_citizen_id
from contracts.invalid import Flaw, InvalidValue

TODAY = date(2020, 2, 18)


def completed(seventeen: str) -> str:
    return seventeen + check_character(seventeen)


def flaw_of(text: str, today: date = TODAY) -> Flaw:
    with pytest.raises(InvalidValue) as caught:
        parse_citizen_id(text, today=today)
    return caught.value.flaw


VALID = completed("42999919900101001")
ENDS_WITH_X = next(number for order in range(100) if (number := completed(f"429999199001010{order:02}")).endswith("X"))

numbers = st.builds(
    lambda region, born, order: completed(f"{region:06}{born:%Y%m%d}{order:03}"),
    st.integers(100000, 999999),
    st.dates(date(1905, 1, 1), TODAY),
    st.integers(0, 999),
)


class TestParseCitizenId:
    def test_reads_the_number_that_the_standard_prints(self) -> None:
        # GB 11643-1999, annex A.
        assert parse_citizen_id("11010519491231002X", today=TODAY).birth_date == date(1949, 12, 31)
        assert parse_citizen_id("440524188001010014", today=date(1999, 7, 1)).birth_date == date(1880, 1, 1)

    def test_makes_x_a_capital_and_keeps_what_was_typed(self) -> None:
        read = parse_citizen_id(ENDS_WITH_X.lower(), today=TODAY)
        assert (ENDS_WITH_X, ENDS_WITH_X.lower()) == (read.number, read.original)

    def test_writes_fifteen_digits_out_and_warns(self) -> None:
        read = parse_citizen_id("110105491231002", today=TODAY)
        assert read.number == "11010519491231002X"
        assert read.original == "110105491231002"
        assert read.warnings == (CitizenIdWarning.FIFTEEN_DIGITS,)

    @given(numbers)
    def test_reads_every_number_with_its_check_character(self, number: str) -> None:
        assert number == parse_citizen_id(number, today=TODAY).number

    @given(numbers, st.integers(0, 17), st.sampled_from("0123456789X"))
    def test_refuses_every_change_of_a_single_character(self, number: str, place: int, other: str) -> None:
        changed = number[:place] + other + number[place + 1 :]
        if changed == number:
            return
        with pytest.raises(InvalidValue):
            parse_citizen_id(changed, today=TODAY)

    @given(numbers, st.integers(0, 16))
    def test_refuses_every_swap_of_neighbours(self, number: str, place: int) -> None:
        swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        if swapped == number:
            return
        with pytest.raises(InvalidValue):
            parse_citizen_id(swapped, today=TODAY)

    @given(st.text(max_size=20) | st.text(alphabet="0123456789Xx \n１٣²", min_size=14, max_size=19))
    def test_refuses_or_reads_whatever_is_typed(self, text: str) -> None:
        try:
            read = parse_citizen_id(text, today=TODAY)
        except InvalidValue:
            return
        assert read.number.isascii()
        assert len(read.number) == 18

    @pytest.mark.parametrize(
        ("text", "flaw"),
        [
            ("", Flaw.CITIZEN_ID_LENGTH),
            (VALID[:-1], Flaw.CITIZEN_ID_LENGTH),
            (VALID + "1", Flaw.CITIZEN_ID_LENGTH),
            (ENDS_WITH_X[:14] + "X", Flaw.CITIZEN_ID_LENGTH),  # fifteen characters, but no old number ends with X
            (VALID[:5] + "X" + VALID[6:], Flaw.CITIZEN_ID_CHARACTERS),
            ("X" * 18, Flaw.CITIZEN_ID_CHARACTERS),
            (VALID + "\n", Flaw.CITIZEN_ID_CHARACTERS),
            (VALID + "\r\n", Flaw.CITIZEN_ID_CHARACTERS),
            (" " + VALID, Flaw.CITIZEN_ID_CHARACTERS),
            (VALID + " ", Flaw.CITIZEN_ID_CHARACTERS),
            (VALID[:6] + " " + VALID[6:14] + " " + VALID[14:], Flaw.CITIZEN_ID_CHARACTERS),
            (VALID.translate({ord("0") + n: 0xFF10 + n for n in range(10)}), Flaw.CITIZEN_ID_CHARACTERS),  # full-width
            (VALID.translate({ord("0") + n: 0x0660 + n for n in range(10)}), Flaw.CITIZEN_ID_CHARACTERS),  # Arabic-Indic
            (VALID.replace("1", "¹"), Flaw.CITIZEN_ID_CHARACTERS),  # superscript
            (VALID[:17] + "Ｘ", Flaw.CITIZEN_ID_CHARACTERS),
            (ENDS_WITH_X[:17] + "Х", Flaw.CITIZEN_ID_CHARACTERS),  # a Cyrillic letter
            (ENDS_WITH_X[:17] + "x́", Flaw.CITIZEN_ID_CHARACTERS),  # an accent on the last letter
            (VALID[:17] + str((int(VALID[17]) + 1) % 10), Flaw.CITIZEN_ID_CHECK_CHARACTER),
            (completed("42999919900230001"), Flaw.CITIZEN_ID_BIRTH_DATE),
            (completed("42999919901301001"), Flaw.CITIZEN_ID_BIRTH_DATE),
            (completed("42999900000101001"), Flaw.CITIZEN_ID_BIRTH_DATE),
            (completed("42999919010229001"), Flaw.CITIZEN_ID_BIRTH_DATE),  # 1901 was no leap year
            ("429999901301001", Flaw.CITIZEN_ID_BIRTH_DATE),
            (completed("42999920200219001"), Flaw.CITIZEN_ID_BORN_IN_FUTURE),
            (completed("42999999991231001"), Flaw.CITIZEN_ID_BORN_IN_FUTURE),
            (completed("42999918990218001"), Flaw.CITIZEN_ID_TOO_OLD),
        ],
    )
    def test_refuses_with_the_flaw_and_without_the_number(self, text: str, flaw: Flaw) -> None:
        assert flaw == flaw_of(text)

    def test_names_the_flaw_in_words_that_do_not_repeat_the_number(self) -> None:
        wrong = VALID[:17] + ("0" if VALID[17] != "0" else "1")
        with pytest.raises(InvalidValue) as caught:
            parse_citizen_id(wrong, today=TODAY)
        assert wrong not in f"{caught.value!s} {caught.value!r}"

    def test_accepts_somebody_born_today_and_somebody_of_120_years(self) -> None:
        assert parse_citizen_id(completed("42999920200218001"), today=TODAY).birth_date == TODAY
        assert parse_citizen_id(completed("42999918990219001"), today=TODAY).birth_date == date(1899, 2, 19)

    @pytest.mark.parametrize("region", ["810000", "820000", "830000", "900001", "990156"])
    def test_accepts_permits_and_cards_of_people_from_elsewhere_without_a_warning(self, region: str) -> None:
        assert parse_citizen_id(completed(f"{region}19900101001"), today=TODAY).warnings == ()

    @pytest.mark.parametrize("region", ["310103", "310108", "310119", "429999", "000000", "710101"])
    def test_only_warns_of_a_region_that_is_abolished_or_unknown(self, region: str) -> None:
        assert parse_citizen_id(completed(f"{region}19900101001"), today=TODAY).warnings == (CitizenIdWarning.REGION_UNKNOWN,)

    @pytest.mark.parametrize("region", ["310101", "310115", "310151", "420106", "110105", "659012"])
    def test_knows_todays_regions_however_young(self, region: str) -> None:
        # 310115 was made in 1992 and 310151 in 2016, and people born in 1980 hold both.
        assert parse_citizen_id(completed(f"{region}19800101001"), today=TODAY).warnings == ()


class TestIsCurrentRegion:
    def test_ignores_what_is_not_a_county(self) -> None:
        assert not is_current_region("31")
