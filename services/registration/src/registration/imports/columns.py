"""The columns of each kind of import, in the words of the manual, and from a row of cells to what the endpoints take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import ValidationError

from contracts.districts import DISTRICTS
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.rejection import Rejection
from contracts.trades import TRADES
from registration.bodies import ContractRowBody, PreRegistrationBody, RosterRowBody
from registration.imports.files import Cell

Body = ContractRowBody | RosterRowBody | PreRegistrationBody


class ImportKind(StrEnum):
    """What the rows of a file are."""

    CONTRACT = "contract"  # 合同报送; one row a contract and employer
    ROSTER = "roster"  # 旧实名制名册
    PRE_REGISTRATION = "pre-registration"  # 进场预登记


class ColumnsAreWrong(Rejection):
    """The header is not the template's: a column is missing, unknown, or there twice."""

    code = "columns-are-wrong"
    status = 422
    title_zh = "表头与模板不一致,请下载模板填写"
    title_en = "The header is not the template's: download the template"


class FileHasNoRows(Rejection):
    """A header alone, or less."""

    code = "file-has-no-rows"
    status = 422
    title_zh = "文件中没有数据"
    title_en = "The file has no rows"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the template."""

    header: str
    path: tuple[str, ...]
    """Where its value stands in the body."""
    is_required: bool = True
    choices: Mapping[str, Any] = field(default_factory=dict)
    """What may be chosen, and what it means. Empty: free text."""
    is_code: bool = False
    """The value begins with the code, which ends at the first space: `020 钢筋工`."""
    must_be_text: bool = False
    """A number in this cell has lost its last digits, or its leading zeros."""


DOCUMENT_TYPES = {
    "居民身份证": DocumentType.CITIZEN_ID,
    "港澳居民来往内地通行证": DocumentType.HK_MACAU_PERMIT,
    "台湾居民来往大陆通行证": DocumentType.TAIWAN_PERMIT,
    "外国人永久居留身份证": DocumentType.PERMANENT_RESIDENCE,
    "护照": DocumentType.PASSPORT,
}
PERSON_KINDS = {"作业人员": PersonKind.WORKER, "现场管理人员": PersonKind.MANAGER}

DOCUMENT_NUMBER = Column("身份证号", ("document", "number"), must_be_text=True)
EMPLOYER = Column("用人单位", ("employer_credit_code",), is_code=True, must_be_text=True)
TRADE = Column("工种", ("trade",), is_required=False, is_code=True, must_be_text=True)
_PERSON = (
    Column("证件类型", ("document", "type"), choices=DOCUMENT_TYPES),
    DOCUMENT_NUMBER,
    Column("姓名", ("name",)),
    Column("人员类别", ("person_kind",), choices=PERSON_KINDS),
    TRADE,
    EMPLOYER,
)

COLUMNS: Mapping[ImportKind, Sequence[Column]] = MappingProxyType(
    {
        ImportKind.CONTRACT: (
            Column("合同报送编号", ("contract_no",), must_be_text=True),
            Column("报建编号", ("construction_no",), must_be_text=True),
            Column("项目名称", ("project_name",)),
            Column("总包单位统一社会信用代码", ("general_contractor", "credit_code"), must_be_text=True),
            Column("总包单位", ("general_contractor", "name")),
            Column("总包单位类型", ("general_contractor", "kind")),
            Column("所在监督站", ("station", "name")),
            Column("所在区", ("station", "district"), choices={name: code for code, name in DISTRICTS.items()}),
            Column("用人单位统一社会信用代码", ("employer", "credit_code"), is_required=False, must_be_text=True),
            Column("用人单位", ("employer", "name"), is_required=False),
            Column("分包合同编号", ("employer", "sub_contract_no"), is_required=False, must_be_text=True),
        ),
        ImportKind.ROSTER: (*_PERSON, Column("在场", ("on_site",), choices={"是": True, "否": False})),
        ImportKind.PRE_REGISTRATION: (
            *_PERSON,
            Column("出发地代码", ("origin", "code")),
            Column("出发地", ("origin", "text")),
            Column("到沪日期", ("arrival_date",), is_required=False),
            Column("手机号", ("mobile",), is_required=False),
        ),
    }
)
REFUSED_FOR, REFUSED_COLUMNS = "原因", "有误的列"
"""What a file of refused rows has besides. Nobody need cut them off before it is handed in again."""
CHOICES_OF_TRADES = tuple(f"{code} {name}" for code, name in TRADES.items())

_READ: Mapping[ImportKind, Callable[[bytes], Body]] = {
    ImportKind.CONTRACT: ContractRowBody.model_validate_json,
    ImportKind.ROSTER: RosterRowBody.model_validate_json,
    ImportKind.PRE_REGISTRATION: PreRegistrationBody.model_validate_json,
}


class RowIsWrong(Exception):
    """A row that cannot be read as what the endpoints take. Says in which columns, never what stands there."""

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = list(dict.fromkeys(columns))
        super().__init__(self.columns)


def require_columns(kind: ImportKind, header: Sequence[str]) -> None:
    """In any order; those that need not be filled in may be left out. Raises: ColumnsAreWrong."""
    known = {column.header: column for column in COLUMNS[kind]}
    required = {name for name, column in known.items() if column.is_required}
    if len(set(header)) < len(header) or not required <= set(header) <= known.keys() | {REFUSED_FOR, REFUSED_COLUMNS}:
        raise ColumnsAreWrong


def read_row(kind: ImportKind, header: Sequence[str], cells: Sequence[Cell]) -> Body:
    """What the endpoint for a single one would be sent. Raises: RowIsWrong."""
    by_header = dict(zip(header, cells, strict=False))
    body: dict[str, Any] = {}
    wrong: list[str] = ["…"] if any(cell.text for cell in cells[len(header) :]) else []
    for column in COLUMNS[kind]:
        cell = by_header.get(column.header, Cell(""))
        if cell.text:
            if (column.must_be_text and cell.is_number) or (column.choices and cell.text not in column.choices):
                wrong.append(column.header)
            _put(body, column.path, _value(column, cell.text))
        elif column.is_required:
            wrong.append(column.header)
    try:
        read = _READ[kind](orjson.dumps(body))
    except ValidationError as error:
        wrong += _headers(kind, (each["loc"] for each in error.errors(include_url=False, include_input=False)))
    else:
        if not wrong:
            return read
    raise RowIsWrong(wrong)


def _value(column: Column, text: str) -> Any:
    if column.choices:
        return column.choices.get(text)
    return text.split(maxsplit=1)[0] if column.is_code else text


def _put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = value


def _headers(kind: ImportKind, places: Iterable[tuple[int | str, ...]]) -> list[str]:
    """Of the columns that fill these places of the body. The body as a whole: only workers have a trade."""
    return [
        column.header
        for place in places
        for column in COLUMNS[kind]
        if (column.path[: len(place)] == place if place else column is TRADE)
    ]
