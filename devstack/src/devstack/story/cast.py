"""Who appears in the story. Everybody is invented: numbers have valid check characters and nobody's name."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from contracts.citizen_id import check_character
from contracts.firms import credit_code_check_character

PUDONG = "W2017050130174"
HONGKOU = "W2019010100011"

SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
GIVEN = "安平顺达兴旺昌盛康宁福禄寿喜春夏秋冬东南西北山川江河湖海云雨"


def credit_code(first_seventeen: str) -> str:
    return first_seventeen + credit_code_check_character(first_seventeen)


def citizen_id(*, region: str, born: date, order: int) -> str:
    """A number with its check character. Odd orders are men."""
    first_seventeen = f"{region}{born:%Y%m%d}{order:03}"
    return first_seventeen + check_character(first_seventeen)


@dataclass(frozen=True)
class Person:
    """Somebody with a citizen ID."""

    name: str
    number: str
    mobile: str

    @property
    def document(self) -> dict[str, str]:
        return {"type": "citizen_id", "number": self.number}


@dataclass(frozen=True)
class Contract:
    """A contract as 合同报送系统 reports it, with the one firm that employs people on it."""

    contract_no: str
    construction_no: str
    project_name: str
    contractor: dict[str, str]
    station: dict[str, str]
    employer: dict[str, str]

    def report(self) -> dict[str, Any]:
        return {
            "contract_no": self.contract_no,
            "construction_no": self.construction_no,
            "project_name": self.project_name,
            "general_contractor": self.contractor,
            "station": self.station,
        }


CONTRACTS = (
    Contract(
        contract_no=PUDONG,
        construction_no="16ZJPD0067",
        project_name="浦东新区御桥社区02单元",
        contractor={"credit_code": credit_code("91320600000000017"), "name": "江苏南通三建集团股份有限公司", "kind": "施工企业"},
        station={"name": "浦东", "district": "310115"},
        employer={"credit_code": credit_code("91320600MA1A00001"), "name": "南通测试劳务有限公司"},
    ),
    Contract(
        contract_no=HONGKOU,
        construction_no="1902HK0001",
        project_name="测试4444",
        contractor={"credit_code": credit_code("91310000000000029"), "name": "上海建工集团股份有限公司", "kind": "施工企业"},
        station={"name": "虹口", "district": "310109"},
        employer={"credit_code": credit_code("91310109MA1A00002"), "name": "上海测试劳务有限公司"},
    ),
)

DECLARED = Person("陈安平", citizen_id(region="320623", born=date(1985, 3, 12), order=11), "13800000011")
"""Declared before he came. Admitted, banned, admitted again."""
LATE = Person("周顺达", citizen_id(region="340403", born=date(1979, 11, 2), order=13), "13800000013")
"""Had not declared: refused, then taken up."""
FROM_HUBEI = Person("吴远江", citizen_id(region="420106", born=date(1990, 7, 25), order=15), "13800000015")
"""Arrived from Hubei four days ago, and runs a fever."""


def roster(contract: Contract, count: int) -> bytes:
    """旧实名制名册 as a CSV file: people who are all off site."""
    start = 0 if contract.contract_no == PUDONG else 5_000
    rows = [_roster_row(contract, start + n) for n in range(count)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _roster_row(contract: Contract, n: int) -> dict[str, str]:
    name = SURNAMES[n % len(SURNAMES)] + GIVEN[n // len(SURNAMES) % len(GIVEN)] + GIVEN[n * 7 % len(GIVEN)]
    return {
        "证件类型": "居民身份证",
        "身份证号": citizen_id(region="320623", born=date(1960, 1, 1) + timedelta(days=n * 2), order=n % 999),
        "姓名": name,
        "人员类别": "作业人员",
        "工种": "390 杂工",
        "用人单位": f"{contract.employer['credit_code']} {contract.employer['name']}",
        "在场": "否",
    }


def declaration(person: Person, *, reported_on: date, departed_on: date, from_hubei: bool, travel: str) -> dict[str, Any]:
    """来沪人员健康登记, in Health Cloud's own words."""
    return {
        "姓名": person.name,
        "证件类型": "居民身份证",
        "证件号码": person.number,
        "手机号": person.mobile,
        "上报地址": "101 上海浦东国际机场T1",
        "上报时间": reported_on.isoformat(),
        "体温": 36.5,
        "健康状况": "无异常症状",
        "出行时间": departed_on.isoformat(),
        "出行方式": travel,
        "是否湖北出发": "是" if from_hubei else "否",
        "是否武汉出发": "否",
        "是否经停": "否",
        "停留地点": "",
        "居住地址": "上海市虹口区测试路1号",
    }
