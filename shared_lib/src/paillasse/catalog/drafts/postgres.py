"""From a table on a PostgreSQL server: what its catalogue declares. No row is read."""

import re

from paillasse.catalog.drafts.started import Column, Started, points_to, short_name
from paillasse.errors import DataError, InputError

TYPES = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "boolean": "boolean",
    "date": "date",
    "text": "string",
    "character varying": "string",
    "character": "string",
    "uuid": "string",
}

COLUMNS = """
SELECT a.attname, base.oid::regtype::text, a.attnotnull OR t.typnotnull, col_description(a.attrelid, a.attnum),
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = base.oid ORDER BY enumsortorder),
       CASE WHEN t.typtype = 'd' THEN t.oid::regtype::text END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     JOIN pg_type base ON base.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
CONSTRAINTS = """
SELECT c.contype::text, pg_get_constraintdef(c.oid, true), other.relname,
       ARRAY(SELECT attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(n, i)
             JOIN pg_attribute ON attrelid = c.conrelid AND attnum = k.n ORDER BY i),
       ARRAY(SELECT attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k(n, i)
             JOIN pg_attribute ON attrelid = c.confrelid AND attnum = k.n ORDER BY i)
FROM pg_constraint c LEFT JOIN pg_class other ON other.oid = c.confrelid
WHERE c.conrelid = %s ORDER BY c.conname
"""


def from_postgres(dsn: str, table: str) -> Started:
    """Types, comments and constraints: of enumerated types and CHECKs the codes and limits, too."""
    columns, constraints, description = _declared(dsn, table)
    if not columns:
        raise InputError(f"{dsn}: there is no table {table!r} in which your role may see columns; write schema.table")
    started = Started(
        origin=f"the table {table} of {dsn}",
        name=table.rpartition(".")[2],
        columns=[_column(*each) for each in columns],
        source={"driver": "postgres", "dsn": dsn, "table": table},
        description=description or "",
    )
    by_name = {column.name: column for column in started.columns}
    for kind, definition, other, mine, theirs in constraints:
        match kind:
            case "p":
                started.schema_keys["primaryKey"] = mine
            case "u" if len(mine) == 1:
                by_name[mine[0]].constraints["unique"] = True
            case "f":
                target = short_name(other)
                taken = {"fields": mine, "reference": {"resource": target, "fields": theirs}}
                started.schema_keys.setdefault("foreignKeys", []).append(taken)
                started.remarks.append(points_to(target))
            case "c" if len(mine) == 1 and (limits := _limits(definition, by_name[mine[0]].type)):
                by_name[mine[0]].constraints |= limits
            case "n":  # NOT NULL, which the columns tell
                pass
            case _:
                started.remarks.append(f"also declared: {definition}")
    return started


def _declared(dsn: str, table: str) -> tuple[list[tuple], list[tuple], str | None]:
    import psycopg

    from paillasse.catalog.drivers.postgres import connection

    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?", table):
        raise InputError(f"table: expected a table's name, alone or behind its schema's (schema.table); got {table!r}")
    # In double quotes, as the catalogue's reader takes it: upper and lower case differ.
    name = ".".join(f'"{part}"' for part in table.split("."))
    line = connection(dsn).con
    try:
        oid, description = line.execute(
            "SELECT to_regclass(%s)::oid, obj_description(to_regclass(%s), 'pg_class')", [name, name]
        ).fetchone()
        return line.execute(COLUMNS, [oid]).fetchall(), line.execute(CONSTRAINTS, [oid]).fetchall(), description
    except psycopg.Error as error:
        kind = type(error).__name__
    raise DataError(f"{dsn}, table {table}: the server refuses to describe it ({kind}); ask the steward")


def _column(
    name: str, kind: str, required: bool, description: str | None, labels: list[str], domain: str | None
) -> Column:
    taken = "string" if labels else TYPES.get(kind)
    column = Column(name, taken or "string", " ".join((description or "").split()))
    if required:
        column.constraints["required"] = True
    if labels:
        column.constraints["enum"] = labels
    if domain:
        column.remarks.append(f"also declared: the domain {domain}, which may have constraints of its own")
    if labels or kind == "uuid":
        column.remarks.append(f"TODO: its type is {kind}; if reading refuses it, give it as a text in a view")
    if taken is None:
        column.remarks.append(f"TODO: its type, {kind}, cannot be read; a view can give a text, a number or a date")
    return column


def _limits(definition: str, kind: str) -> dict | None:
    """What a CHECK on one column allows: `x >= 18 AND x <= 110`, `x = ANY (ARRAY[…])`; None if it is anything else."""
    import sqlglot
    from sqlglot import expressions as sql

    condition = re.sub(r"^CHECK \((.*)\)( NOT VALID)?$", r"\1", definition, flags=re.DOTALL)
    try:
        check = sqlglot.parse_one(condition, read="postgres").unnest()
    except sqlglot.errors.SqlglotError:
        return None
    limits = {}
    for part in check.flatten() if isinstance(check, sql.And) else [check]:
        match part.unnest():
            case sql.GTE(expression=bound) if kind in ("integer", "number", "year", "date"):
                limits["minimum"] = _value(bound, kind)
            case sql.LTE(expression=bound) if kind in ("integer", "number", "year", "date"):
                limits["maximum"] = _value(bound, kind)
            case sql.EQ(expression=sql.Any() as values):
                array = values.find(sql.Array)
                limits["enum"] = [_value(each, kind) for each in array.expressions] if array else None
            case _:
                return None
    values = [each for value in limits.values() for each in (value if isinstance(value, list) else [value])]
    return None if not values or None in values else limits


def _value(node, kind: str):
    """A literal of the SQL in the column's type; None if it is something else."""
    from sqlglot import expressions as sql

    from paillasse.catalog.drafts.frictionless import of_type

    while isinstance(node, (sql.Cast, sql.Paren)):
        node = node.this
    sign = -1 if isinstance(node, sql.Neg) else 1
    node = node.this if isinstance(node, sql.Neg) else node
    if not isinstance(node, sql.Literal):
        return None
    value = of_type(node.this, kind)
    return value if sign == 1 or not isinstance(value, (int, float)) else -value
