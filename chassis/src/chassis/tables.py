"""Read models as pure folds over rows: facts in, rows changed. All their SQL is made here.

A read model says which tables it fills, what each fact does to their rows (`folds`), and which rows a fact must see first
(`reads`). The same folds run live, over the rows that a batch needs, and on a rebuild, over all rows in memory
(`chassis.rebuild`): so both come to the same.

    Table      a table: its name, its row type, its key
    Rows       what a fold changes: get, put, remove, remove_all, total
    ReadModel  answers one question, see the services' `read_models/`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from functools import cached_property
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from chassis.database import Connection
from chassis.subscribers import Fact
from contracts.event import Event

R = TypeVar("R")

Key = Any
"""The value of a table's key column, or a tuple where there are several."""

TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "bigint",
    str: "text",
    bytes: "bytea",
    UUID: "uuid",
    date: "date",
    datetime: "timestamptz",
}
"""Python → PostgreSQL. A narrower integer column takes a bigint as far as it fits."""


class NotRead(LookupError):
    """A fold asked for a row that its read model's `reads` did not name."""


@dataclass(frozen=True, eq=False)
class Table(Generic[R]):
    """A table that one read model fills."""

    name: str
    row: type[R]
    """A slotted dataclass. Its fields are the columns that the read model fills, in any table of that name."""
    key: tuple[str, ...]
    """Its first columns."""
    sums: bool = False
    """Columns besides the key are sums, 0 in a new row: what a batch adds is added to what is stored (`Rows.total`)."""
    grouped: bool = False
    """All rows of one value in the first column may be removed together (`Rows.remove_all`)."""

    def __post_init__(self) -> None:
        if self.columns[: len(self.key)] != self.key:
            raise ValueError(f"{self.name}: the key is not its first columns")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(each.name for each in fields(self.row))  # type: ignore[arg-type]  # a dataclass, as said above

    @cached_property
    def types(self) -> tuple[str, ...]:
        """PostgreSQL's types of the columns."""
        hints = get_type_hints(self.row)
        return tuple(_column_type(hints[column]) for column in self.columns)

    @cached_property
    def key_of(self) -> Callable[[R], Key]:
        return attrgetter(*self.key)

    @cached_property
    def values_of(self) -> Callable[[R], tuple[Any, ...]]:
        return _tuple_of(*self.columns)

    @cached_property
    def order(self) -> Callable[[R], Any]:
        """Sorts rows by key. UUIDs by number, which is the same order ten times as fast."""
        return attrgetter(*(f"{name}.int" if kind == "uuid" else name for name, kind in self._key_columns))

    @property
    def _key_columns(self) -> list[tuple[str, str]]:
        return list(zip(self.key, self.types, strict=False))

    @cached_property
    def select(self) -> str:
        """Rows by key: an array a key column."""
        columns = ", ".join(f"t.{column}" for column in self.columns)
        return f"SELECT {columns} FROM {self._keys_given} JOIN {self.name} AS t ON {self._is_given}"

    @cached_property
    def upsert(self) -> str:
        """An array a column."""
        rest = self.columns[len(self.key) :]
        value = "t.{0} + excluded.{0}" if self.sums else "excluded.{0}"
        change = ", ".join(f"{column} = {value.format(column)}" for column in rest)
        return (
            f"INSERT INTO {self.name} AS t ({', '.join(self.columns)})"
            f" SELECT * FROM unnest({_arrays(self.types)})"
            f" ON CONFLICT ({', '.join(self.key)}) DO {f'UPDATE SET {change}' if rest else 'NOTHING'}"
        )

    @cached_property
    def delete(self) -> str:
        """Rows by key: an array a key column."""
        return f"DELETE FROM {self.name} AS t USING {self._keys_given} WHERE {self._is_given}"

    @cached_property
    def delete_group(self) -> str:
        """Rows by the first column: one array."""
        return f"DELETE FROM {self.name} WHERE {self.key[0]} = ANY ({_arrays(self.types[:1])})"

    @cached_property
    def _keys_given(self) -> str:
        kinds = [kind for _, kind in self._key_columns]
        return f"unnest({_arrays(kinds)}) AS k ({', '.join(self.key)})"

    @cached_property
    def _is_given(self) -> str:
        return " AND ".join(f"t.{column} = k.{column}" for column in self.key)


class Rows:
    """All rows of some tables, in memory: what a fold gets and changes."""

    def __init__(self, tables: Iterable[Table[Any]]) -> None:
        self._held: dict[Table[Any], dict[Key, Any]] = {table: {} for table in tables}
        self._groups: dict[Table[Any], dict[Any, set[Key]]] = {table: {} for table in self._held if table.grouped}

    def get(self, table: Table[R], key: Key) -> R | None:
        """The row, to be changed only by `put`ting it back. Raises: NotRead."""
        return self._held[table].get(key)

    def put(self, table: Table[R], row: R) -> None:
        """The row is so from now on, whatever it was."""
        key = table.key_of(row)
        self._held[table][key] = row
        if table.grouped:
            self._groups[table].setdefault(key[0], set()).add(key)

    def remove(self, table: Table[Any], key: Key) -> None:
        """There is no such row from now on."""
        self._held[table].pop(key, None)
        if table.grouped:
            self._groups[table].get(key[0], set()).discard(key)

    def remove_all(self, table: Table[Any], first: Any) -> None:
        """There is no row with this value in the first column from now on."""
        for key in self._groups[table].pop(first, ()):
            del self._held[table][key]

    def total(self, table: Table[R], *key: Any) -> R:
        """The row of a table of sums, to be added to in place. It is there from now on."""
        rows = self._held[table]
        found: R | None = rows.get(key)
        if found is None:
            found = rows[key] = table.row(*key)
        return found

    def of(self, table: Table[R]) -> Iterable[R]:
        """All of them."""
        return self._held[table].values()


class BatchRows(Rows):
    """The rows that one batch needs: those that were read, and what the batch made of them."""

    def __init__(self, tables: Iterable[Table[Any]]) -> None:
        super().__init__(tables)
        self._changed: dict[Table[Any], dict[Key, Any]] = {table: {} for table in self._held}
        self._emptied: dict[Table[Any], set[Any]] = {table: set() for table in self._groups}

    async def read(self, connection: Connection, wanted: Mapping[Table[Any], dict[Key, Any]]) -> None:
        """The rows of these keys, one round trip a table. Where there is none, the value stays as given, None."""
        for table, rows in wanted.items():
            self._held[table] = rows
            for record in await connection.fetch(table.select, *_key_arrays(table, list(rows))):
                row = table.row(*record)
                rows[table.key_of(row)] = row

    def get(self, table: Table[R], key: Key) -> R | None:
        try:
            found: R | None = self._held[table][key]
        except KeyError:
            raise NotRead(table.name) from None
        return found

    def put(self, table: Table[R], row: R) -> None:
        key = table.key_of(row)
        self._held[table][key] = self._changed[table][key] = row

    def remove(self, table: Table[Any], key: Key) -> None:
        self._held[table][key] = self._changed[table][key] = None

    def remove_all(self, table: Table[Any], first: Any) -> None:
        self._emptied[table].add(first)
        for key in [key for key in self._held[table] if key[0] == first]:
            self._held[table][key] = self._changed[table][key] = None

    async def write(self, connection: Connection) -> None:
        """What was changed: at most one statement of each kind a table, each in the order of the keys."""
        for table, groups in self._emptied.items():
            if groups:
                await connection.execute(table.delete_group, sorted(groups))
        for table, changed in self._changed.items():
            rows = self._held[table] if table.sums else changed
            if gone := [key for key, row in rows.items() if row is None]:
                await connection.execute(table.delete, *_key_arrays(table, sorted(gone)))
            if there := [row for row in rows.values() if row is not None]:
                there.sort(key=table.order)
                await connection.execute(table.upsert, *zip(*map(table.values_of, there), strict=True))


Fold = Callable[[Rows, Fact[Any], int], None]
"""(rows, fact, partition) → the rows changed. Pure but for the rows: no clock, no I/O. Rows that two partitions would both
fill carry the partition in their key."""


def _nothing(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    return ()


@dataclass(frozen=True)
class ReadModel:
    """Answers one question: facts → rows."""

    name: str
    """Name of its positions, with a version: a new shape is a new name, filled from the beginning."""
    tables: tuple[Table[Any], ...]
    folds: Mapping[type[Event], Fold]
    """What each kind of fact does to the rows. Total: whatever is a fact has happened."""
    reads: Callable[[Fact[Any]], Iterable[tuple[Table[Any], Key]]] = _nothing
    """The rows that a fact's fold will `get`. What is only overwritten needs no reading."""

    subscribes: tuple[type[Event], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "subscribes", tuple(self.folds))

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        """Write the rows that follow from the facts (in order, each exactly once), in the caller's transaction."""
        rows = BatchRows(self.tables)
        wanted: dict[Table[Any], dict[Key, None]] = {}
        for fact in facts:
            for table, key in self.reads(fact):
                wanted.setdefault(table, {})[key] = None
        await rows.read(connection, wanted)
        self.fold(rows, facts, partition)
        await rows.write(connection)

    def fold(self, rows: Rows, facts: Iterable[Fact[Any]], partition: int) -> None:
        """Change the rows as the facts say, in order."""
        folds = self.folds
        for fact in facts:
            folds[type(fact.event)](rows, fact, partition)


def _column_type(hint: Any) -> str:
    """PostgreSQL's type of a field. Raises: TypeError."""
    if get_origin(hint) in (Union, UnionType):
        [hint] = [each for each in get_args(hint) if each is not NoneType]
    if get_origin(hint) is Literal:
        [hint] = {type(each) for each in get_args(hint)}
    for python, column in TYPES.items():
        if isinstance(hint, type) and issubclass(hint, python) and not (hint is datetime and python is date):
            return column
    raise TypeError(f"no column holds a {hint}")


def _arrays(types: Iterable[str]) -> str:
    return ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))


def _tuple_of(*names: str) -> Callable[[Any], tuple[Any, ...]]:
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda row: (get(row),)


def _key_arrays(table: Table[Any], keys: Sequence[Key]) -> Iterable[Sequence[Any]]:
    return [keys] if len(table.key) == 1 else list(zip(*keys, strict=True))
