"""Documents, names, mobiles and masks. Everybody here is invented."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.citizen_id import CitizenIdWarning, check_character
from contracts.identity import (
    Document,
    DocumentType,
    Mobile,
    PersonName,
    folded_name,
    holds_a_number_of_somebody,
    masked_mobile,
    masked_name,
    masked_number,
    parse_mobile,
    parse_name,
)
from contracts.invalid import TITLES, Flaw, InvalidValue

NUMBER = "42999919900101001" + check_character("42999919900101001")


def document(document_type: DocumentType, number: str) -> Document:
    return Document(type=document_type, number=number)


class TestDocument:
    @pytest.mark.parametrize(
        ("document_type", "typed", "canonical"),
        [
            (DocumentType.CITIZEN_ID, NUMBER, NUMBER),
            (DocumentType.CITIZEN_ID, "110105491231002", "11010519491231002X"),
            (DocumentType.CITIZEN_ID, "11010519491231002x", "11010519491231002X"),
            (DocumentType.HK_MACAU_PERMIT, "H00000001", "H00000001"),
            (DocumentType.HK_MACAU_PERMIT, "m00000001", "M00000001"),
            (DocumentType.HK_MACAU_PERMIT, "H0000000102", "H00000001"),  # the second renewal of the same person's permit
            (DocumentType.TAIWAN_PERMIT, "00000001", "00000001"),
            (DocumentType.PERMANENT_RESIDENCE, "fra310000000001", "FRA310000000001"),
            (DocumentType.PASSPORT, "FRA/00xx00000", "FRA/00XX00000"),
        ],
    )
    def test_has_one_canonical_number_and_keeps_what_was_typed(
        self, document_type: DocumentType, typed: str, canonical: str
    ) -> None:
        read = document(document_type, typed)
        assert canonical == read.number
        assert (None if typed == canonical else typed) == read.original

    @pytest.mark.parametrize(
        ("document_type", "typed", "flaw"),
        [
            (DocumentType.CITIZEN_ID, NUMBER + "\n", Flaw.CITIZEN_ID_CHARACTERS),
            (DocumentType.HK_MACAU_PERMIT, "H0000000", Flaw.HK_MACAU_PERMIT_FORM),
            (DocumentType.HK_MACAU_PERMIT, "H000000001", Flaw.HK_MACAU_PERMIT_FORM),
            (DocumentType.HK_MACAU_PERMIT, "A00000001", Flaw.HK_MACAU_PERMIT_FORM),
            (DocumentType.HK_MACAU_PERMIT, "H00000001\n", Flaw.HK_MACAU_PERMIT_FORM),
            (DocumentType.HK_MACAU_PERMIT, "H０0000001", Flaw.HK_MACAU_PERMIT_FORM),
            (DocumentType.TAIWAN_PERMIT, "0000001", Flaw.TAIWAN_PERMIT_FORM),
            (DocumentType.TAIWAN_PERMIT, "0000000٣", Flaw.TAIWAN_PERMIT_FORM),
            (DocumentType.PERMANENT_RESIDENCE, "FRA31000000001", Flaw.PERMANENT_RESIDENCE_FORM),
            (DocumentType.PERMANENT_RESIDENCE, NUMBER, Flaw.PERMANENT_RESIDENCE_FORM),
            (DocumentType.PASSPORT, "00XX00000", Flaw.PASSPORT_FORM),
            (DocumentType.PASSPORT, "FRA/ 0XX0", Flaw.PASSPORT_FORM),
        ],
    )
    def test_is_refused_with_a_stable_code(self, document_type: DocumentType, typed: str, flaw: Flaw) -> None:
        with pytest.raises(ValidationError) as caught:
            document(document_type, typed)
        assert [(flaw.value, ("number",))] == [(error["type"], error["loc"]) for error in caught.value.errors()]

    def test_shows_its_number_neither_in_errors_nor_when_printed(self) -> None:
        with pytest.raises(ValidationError) as caught:
            document(DocumentType.CITIZEN_ID, NUMBER[:17] + ("0" if NUMBER[17] != "0" else "1"))
        assert NUMBER[:17] not in str(caught.value)
        assert NUMBER not in f"{document(DocumentType.CITIZEN_ID, NUMBER)!r} {document(DocumentType.CITIZEN_ID, NUMBER)}"

    def test_survives_its_own_json(self) -> None:
        read = document(DocumentType.CITIZEN_ID, "110105491231002")
        assert read == Document.model_validate_json(read.model_dump_json())

    def test_refuses_an_original_of_another_document(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Document(type=DocumentType.CITIZEN_ID, number=NUMBER, original="110105491231002")
        assert [error["type"] for error in caught.value.errors()] == [Flaw.ORIGINAL_DIFFERS.value]

    def test_warns_of_what_is_unusual(self) -> None:
        assert document(DocumentType.CITIZEN_ID, NUMBER).warnings == (CitizenIdWarning.REGION_UNKNOWN,)
        assert document(DocumentType.CITIZEN_ID, "110105491231002").warnings == (CitizenIdWarning.FIFTEEN_DIGITS,)
        assert document(DocumentType.TAIWAN_PERMIT, "00000001").warnings == ()

    @pytest.mark.parametrize("given", [{"type": "citizen_id"}, {"number": NUMBER}, {"type": "x", "number": NUMBER}, [], None, 1])
    def test_is_refused_when_incomplete(self, given: object) -> None:
        with pytest.raises(ValidationError):
            Document.model_validate(given)


class TestParseName:
    @pytest.mark.parametrize(
        "name",
        [
            "测试甲",
            "测",
            "阿卜杜拉·测试",
            "阿卜杜拉•测试",
            "𠮷测",  # four bytes in UTF-8
            "\U0003106c测",  # Extension H, younger than this Python's tables
            "\ue863测",  # a character that only lists of names have
            "神",  # a compatibility character, which NFC would rewrite
            "葛\U000e0100测",  # with a variation selector
            "Jean-Luc O'Test",
            "테스트",
        ],
    )
    def test_keeps_it_exactly_as_given(self, name: str) -> None:
        assert name == parse_name(name) == TypeAdapter(PersonName).validate_json(TypeAdapter(PersonName).dump_json(name))

    @pytest.mark.parametrize(
        ("name", "flaw"),
        [
            ("", Flaw.BLANK),
            ("  ", Flaw.BLANK),
            ("　", Flaw.BLANK),  # an ideographic space
            ("测试\u202e甲", Flaw.INVISIBLE_CHARACTERS),  # right-to-left override
            ("测试\u2066甲", Flaw.INVISIBLE_CHARACTERS),
            ("测试\u200b甲", Flaw.INVISIBLE_CHARACTERS),  # zero-width space
            ("测试\u200d甲", Flaw.INVISIBLE_CHARACTERS),
            ("\ufeff测试甲", Flaw.INVISIBLE_CHARACTERS),
            ("测\u3164试", Flaw.INVISIBLE_CHARACTERS),  # a letter that shows nothing
            ("测试甲\n", Flaw.INVISIBLE_CHARACTERS),
            ("测\x00试", Flaw.INVISIBLE_CHARACTERS),
            ("测\x7f试", Flaw.INVISIBLE_CHARACTERS),
            ("测\u2028试", Flaw.INVISIBLE_CHARACTERS),
            ("测\ud800", Flaw.INVISIBLE_CHARACTERS),  # half of a surrogate pair
            ("测" * 101, Flaw.TEXT_TOO_LONG),
        ],
    )
    def test_refuses_what_hides_something(self, name: str, flaw: Flaw) -> None:
        with pytest.raises(InvalidValue) as caught:
            parse_name(name)
        assert flaw == caught.value.flaw


class TestFoldedName:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("阿卜杜拉·测试", "阿卜杜拉•测试"),
            ("阿卜杜拉·测试", "阿卜杜拉・测试"),
            ("阿卜杜拉·测试", " 阿卜杜拉 · 测试 "),
            ("Test Person", "ＴＥＳＴ　ＰＥＲＳＯＮ"),
        ],
    )
    def test_agrees_for_spellings_of_one_name(self, one: str, other: str) -> None:
        assert folded_name(one) == folded_name(other)

    @pytest.mark.parametrize(("one", "other"), [("测试甲", "测试乙"), ("\ufa19", "\u795e"), ("阿卜·杜拉", "阿卜杜拉")])
    def test_differs_for_other_names(self, one: str, other: str) -> None:
        assert folded_name(one) != folded_name(other)


class TestParseMobile:
    @pytest.mark.parametrize(
        ("typed", "canonical"),
        [
            ("19900000001", "19900000001"),
            ("+86 199 0000 0001", "19900000001"),
            ("008619900000001", "19900000001"),
            ("199 0000 0001 ", "19900000001"),
            ("+852 5555 0000", "+85255550000"),
        ],
    )
    def test_gives_one_form(self, typed: str, canonical: str) -> None:
        assert canonical == parse_mobile(typed)

    @pytest.mark.parametrize(
        "typed",
        [
            "",
            "12900000001",
            "1990000000",
            "199000000011",
            "+8612900000001",
            "+86021555500",
            "85255550000",
            "+0123456789",
            "+1234567890123456",
            "１９900000001",
            "1990000000١",
            "19900000001\n",
            "199-0000-0001",
        ],
    )
    def test_refuses_what_is_none(self, typed: str) -> None:
        with pytest.raises(InvalidValue) as caught:
            parse_mobile(typed)
        assert caught.value.flaw is Flaw.MOBILE_FORM

    @given(st.text(alphabet="0123456789+ ", max_size=20))
    def test_gives_a_form_that_it_reads_again(self, typed: str) -> None:
        try:
            canonical = TypeAdapter(Mobile).validate_python(typed)
        except ValidationError:
            return
        assert canonical == parse_mobile(canonical)


class TestHoldsANumberOfSomebody:
    @pytest.mark.parametrize(
        "text",
        [
            NUMBER,
            NUMBER.lower(),
            f"entry-{NUMBER}",
            f"{NUMBER}:2020-02-18",
            "13800000044",
            "+8613800000044",
            "m_13800000044_1",
            "008613800000044",
        ],
    )
    def test_is_so_of_identity_numbers_and_mobiles(self, text: str) -> None:
        assert holds_a_number_of_somebody(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "sweep-1",
            "12800000044",  # no mobile
            "1582012345678",  # milliseconds
            "138000000441",
            NUMBER[:17] + ("0" if NUMBER[17] != "0" else "1"),  # mistyped
            "310109198013011009",  # of no day
            "9" * 18,
        ],
    )
    def test_is_not_so_of_other_numbers(self, text: str) -> None:
        assert not holds_a_number_of_somebody(text)

    @given(st.uuids())
    def test_is_never_so_of_what_is_drawn_at_random(self, key: UUID) -> None:
        assert not holds_a_number_of_somebody(str(key))
        assert not holds_a_number_of_somebody(key.hex)


class TestMasks:
    @pytest.mark.parametrize(
        ("number", "masked"),
        [
            ("310101199001011234", "310***********1234"),
            ("H00000001", "H******01"),
            ("FRA310000000001", "FRA********0001"),
            ("00", "**"),
            ("", ""),
        ],
    )
    def test_hide_most_of_a_number(self, number: str, masked: str) -> None:
        assert masked == masked_number(number)

    @pytest.mark.parametrize(
        ("name", "masked"),
        [
            ("张某三", "张*三"),
            ("张三", "张*"),
            ("张", "*"),
            ("欧阳某三", "欧**三"),
            ("葛\U000e0100某三", "葛\U000e0100*三"),
            ("𠮷某三", "𠮷*三"),
        ],
    )
    def test_hide_the_middle_of_a_name(self, name: str, masked: str) -> None:
        assert masked == masked_name(name)

    def test_hide_the_middle_of_a_mobile(self) -> None:
        assert masked_mobile("13800005678") == "138****5678"

    @given(st.text(max_size=30))
    def test_never_show_all_of_anything(self, text: str) -> None:
        for masked in (masked_number(text), masked_name(text), masked_mobile(text)):
            assert text == "" or "*" in masked


class TestFlaws:
    def test_are_told_in_both_languages(self) -> None:
        assert set(TITLES) == set(Flaw)

    def test_become_the_type_of_the_pydantic_error(self) -> None:
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(Mobile).validate_python("x")
        (error,) = caught.value.errors()
        assert error["type"] == "mobile_form"
        assert error["ctx"]["title_zh"] == TITLES[Flaw.MOBILE_FORM].zh
        assert error["msg"] == TITLES[Flaw.MOBILE_FORM].en
