"""Why a value is not accepted: one stable code per flaw. Neither code nor wording ever repeats the value."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from pydantic_core import PydanticCustomError


class Flaw(StrEnum):
    """What may be wrong with a value. The code is the `type` of the pydantic error, and stays for ever."""

    BLANK = "blank"
    TEXT_TOO_LONG = "text_too_long"
    INVISIBLE_CHARACTERS = "invisible_characters"
    CITIZEN_ID_CHARACTERS = "citizen_id_characters"
    CITIZEN_ID_LENGTH = "citizen_id_length"
    CITIZEN_ID_CHECK_CHARACTER = "citizen_id_check_character"
    CITIZEN_ID_BIRTH_DATE = "citizen_id_birth_date"
    CITIZEN_ID_BORN_IN_FUTURE = "citizen_id_born_in_future"
    CITIZEN_ID_TOO_OLD = "citizen_id_too_old"
    HK_MACAU_PERMIT_FORM = "hk_macau_permit_form"
    TAIWAN_PERMIT_FORM = "taiwan_permit_form"
    PERMANENT_RESIDENCE_FORM = "permanent_residence_form"
    PASSPORT_FORM = "passport_form"
    ORIGINAL_DIFFERS = "original_differs"
    MOBILE_FORM = "mobile_form"
    CREDIT_CODE_LENGTH = "credit_code_length"
    CREDIT_CODE_CHARACTERS = "credit_code_characters"
    CREDIT_CODE_CHECK_CHARACTER = "credit_code_check_character"
    NUMBER_CHARACTERS = "number_characters"
    DISTRICT_UNKNOWN = "district_unknown"
    TRADE_UNKNOWN = "trade_unknown"
    TIME_RANGE = "time_range"
    TEMPERATURE_RANGE = "temperature_range"
    TEMPERATURE_STEP = "temperature_step"
    SYMPTOM_REPEATED = "symptom_repeated"
    SYMPTOM_NONE_EXCLUDES = "symptom_none_excludes"
    SYMPTOMS_MISSING = "symptoms_missing"
    ISOLATION_INCOMPLETE = "isolation_incomplete"
    DAYS_OUT_OF_ORDER = "days_out_of_order"
    POLICY_PLACE = "policy_place"
    POLICY_INCOMPLETE = "policy_incomplete"
    POLICY_BEYOND_AUTHORITY = "policy_beyond_authority"


class Titles(NamedTuple):
    """How a flaw is told to a person."""

    zh: str
    en: str


TITLES: Mapping[Flaw, Titles] = MappingProxyType(
    {
        Flaw.BLANK: Titles("不能为空", "Must not be blank"),
        Flaw.TEXT_TOO_LONG: Titles("内容过长", "Too long"),
        Flaw.INVISIBLE_CHARACTERS: Titles("含有不可见字符或控制字符", "Contains invisible or control characters"),
        Flaw.CITIZEN_ID_CHARACTERS: Titles(
            "身份证号只能包含半角数字,末位可以是 X", "An ID number has plain digits only; the last may be X"
        ),
        Flaw.CITIZEN_ID_LENGTH: Titles("身份证号应为 18 位(或旧版 15 位)", "An ID number has 18 characters, or 15 in its old form"),
        Flaw.CITIZEN_ID_CHECK_CHARACTER: Titles("身份证号校验位不正确", "The ID number's check character is wrong"),
        Flaw.CITIZEN_ID_BIRTH_DATE: Titles("身份证号中的出生日期不存在", "The ID number's birth date does not exist"),
        Flaw.CITIZEN_ID_BORN_IN_FUTURE: Titles("身份证号中的出生日期晚于今天", "The ID number's birth date is in the future"),
        Flaw.CITIZEN_ID_TOO_OLD: Titles("身份证号对应的年龄超过 120 岁", "The ID number's age is above 120 years"),
        Flaw.HK_MACAU_PERMIT_FORM: Titles(
            "港澳居民来往内地通行证号应为 H 或 M 加 8 位(旧版 10 位)数字",
            "A Hong Kong or Macau permit is H or M and 8 digits, or 10 in its old form",
        ),
        Flaw.TAIWAN_PERMIT_FORM: Titles("台湾居民来往大陆通行证号应为 8 位数字", "A Taiwan permit is 8 digits"),
        Flaw.PERMANENT_RESIDENCE_FORM: Titles(
            "外国人永久居留身份证(2017 版)号应为 3 位字母加 12 位数字;18 位号码请按身份证登记",
            "A permanent residence card of 2017 is 3 letters and 12 digits; one of 18 digits is given as citizen ID",
        ),
        Flaw.PASSPORT_FORM: Titles(
            "护照号应为三位国家代码、斜杠和号码,例如 FRA/00XX00000",
            "A passport is a country code of three letters, a slash and the number, such as FRA/00XX00000",
        ),
        Flaw.ORIGINAL_DIFFERS: Titles("原号码与证件号码不一致", "The original is not the same document's number"),
        Flaw.MOBILE_FORM: Titles(
            "手机号应为 11 位中国大陆手机号,或带 + 的国际号码",
            "A mobile is 11 digits of mainland China, or international with its plus",
        ),
        Flaw.CREDIT_CODE_LENGTH: Titles("统一社会信用代码应为 18 位", "A social credit code has 18 characters"),
        Flaw.CREDIT_CODE_CHARACTERS: Titles(
            "统一社会信用代码只能包含半角数字和大写字母(不含 I、O、S、V、Z)",
            "A social credit code has plain digits and capital letters without I, O, S, V, Z",
        ),
        Flaw.CREDIT_CODE_CHECK_CHARACTER: Titles(
            "统一社会信用代码校验位不正确", "The social credit code's check character is wrong"
        ),
        Flaw.NUMBER_CHARACTERS: Titles("编号不能包含空格或 / \\ ? # %", "A number has no spaces and none of / \\ ? # %"),
        Flaw.DISTRICT_UNKNOWN: Titles("不是上海市的区", "Not a district of Shanghai"),
        Flaw.TRADE_UNKNOWN: Titles("工种代码不存在", "Not a trade of the national platform"),
        Flaw.TIME_RANGE: Titles("日期应在 1900 至 2999 年之间", "A time lies between the years 1900 and 2999"),
        Flaw.TEMPERATURE_RANGE: Titles("体温应在 30.0 至 45.0 ℃ 之间", "A measured temperature is between 30.0 and 45.0 °C"),
        Flaw.TEMPERATURE_STEP: Titles("体温最多一位小数", "A measured temperature has one decimal at most"),
        Flaw.SYMPTOM_REPEATED: Titles("健康状况重复", "A symptom is named twice"),
        Flaw.SYMPTOM_NONE_EXCLUDES: Titles("“无上述异常症状”不能与其他症状同时选择", "'None' excludes all other symptoms"),
        Flaw.SYMPTOMS_MISSING: Titles("请至少选择一项健康状况", "At least one symptom, or 'none', must be ticked"),
        Flaw.ISOLATION_INCOMPLETE: Titles(
            "请填写隔离/就医时间和隔离/就医方式", "Quarantine, suspicion and confirmation need the first day and the method"
        ),
        Flaw.DAYS_OUT_OF_ORDER: Titles("结束日期早于开始日期", "The last day lies before the first"),
        Flaw.POLICY_PLACE: Titles(
            "市级政策不指定区和工地,区级政策须指定区,工地政策须指定区和合同报送编号",
            "A city's policy names no place, a district's its district, a site's its district and contract",
        ),
        Flaw.POLICY_INCOMPLETE: Titles(
            "市级政策须填写发热标准、隔离天数和各规则的处理方式,区级和工地政策须填写隔离天数或重点地区",
            "A city's policy says fever, days of isolation and switches; one below it days of isolation or key areas",
        ),
        Flaw.POLICY_BEYOND_AUTHORITY: Titles(
            "发热标准和各规则的处理方式只能由市级确定", "Fever and switches are the city's to decide"
        ),
    }
)
"""Every flaw in both languages."""


class InvalidValue(PydanticCustomError):
    """A value is not what it should be. Says which flaw, never the value.

    Raised by plain parse functions, where it is a `ValueError`, and understood by pydantic, which adds the place.
    """

    flaw: Flaw

    def __new__(cls, flaw: Flaw) -> Self:
        titles = TITLES[flaw]
        error = super().__new__(cls, flaw.value, "{title_en}", {"title_en": titles.en, "title_zh": titles.zh})
        error.flaw = flaw
        return error
