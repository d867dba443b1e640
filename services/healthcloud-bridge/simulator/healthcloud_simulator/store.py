"""What people declared: in memory, and in a JSON file where one is named."""

from __future__ import annotations

import json
from pathlib import Path

Record = dict[str, str]
"""A declaration as the app shows it: Chinese field name to text."""

NUMBER, SUBMITTED_AT = "登记编号", "提交时间"


class Store:
    """Every declaration of everybody, oldest first. Nothing is ever changed or deleted."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._records: dict[str, list[Record]] = {}
        if file is not None and file.exists():
            self._records = json.loads(file.read_text(encoding="utf-8"))

    def add(self, form: Record, *, submitted_at: str) -> tuple[Record, bool]:
        """The record of this form, and whether it is new: sending the same form twice in a row makes one record."""
        declared = self._records.setdefault(form["证件号码"].upper(), [])
        if declared and {name: text for name, text in declared[-1].items() if name not in (NUMBER, SUBMITTED_AT)} == form:
            return declared[-1], False
        count = sum(map(len, self._records.values()))
        record = {NUMBER: f"JKY{count + 1:08}", SUBMITTED_AT: submitted_at, **form}
        declared.append(record)
        self._save()
        return record, True

    def of(self, document_number: str) -> list[Record]:
        return self._records.get(document_number.upper(), [])

    def _save(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(self._records, ensure_ascii=False, indent=1), encoding="utf-8")
        draft.replace(self._file)  # Whoever is killed meanwhile leaves the old file whole.
