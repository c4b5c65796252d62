"""What a reader asked for: which columns, and a condition on the rows.

The condition is made on a table without rows and only then bound to the source's: a function that looks at the data
on the way, to print them or to compare with one of them, would read them without a record.
"""

from collections.abc import Callable, Iterable

from paillasse.errors import InputError, did_you_mean


def columns_asked(name: str, columns: Iterable[str], known: list[str]) -> list[str]:
    """The columns asked for, each known and once; `name` is the data set's, for the message."""
    if isinstance(columns, str):
        raise InputError(f"columns: expected a list of names; write [{columns!r}]")
    columns = list(columns)
    unknown = [f"no column {each!r}. {did_you_mean(each, known)}" for each in columns if each not in known]
    if unknown:
        raise InputError(f"{name}: " + " ".join(unknown))
    if not columns or len(set(columns)) < len(columns):
        raise InputError(f"{name}: columns: expected at least one name, each once")
    return columns


def condition_asked(name: str, where: Callable, table, usable: list[str], quotes_error: bool):
    """What the caller's function makes of a table: a condition on its rows.

    Parameters
    ----------
    name
        The data set's, for the message.
    where
        The caller's function of a table.
    table : ibis.Table
        The source's.
    usable
        The columns that a condition may use.
    quotes_error
        Whether the function's own error may be told: it may quote what a column was compared with.

    Returns
    -------
    condition : ibis.Value
        Bound to the table.
    columns : list of str
        Names of the columns that it looks at; not what it compares them with.

    Raises
    ------
    InputError
        It is no function, or what it gives is no condition on this table.
    """
    import ibis
    from ibis.expr import operations

    expected = f"Expected a function of the table, such as lambda t: t.age > 60, over {', '.join(usable)}"
    if not callable(where):
        raise InputError(f"{name}: where: this is {type(where).__name__}. {expected}")
    without_rows = ibis.table({column: table.schema()[column] for column in usable}, name=name)
    try:
        condition, problem = where(without_rows), None
    except Exception as error:  # whatever the caller's function did
        condition, problem = None, f"{error}" if quotes_error else type(error).__name__
    if problem is not None:
        raise InputError(f"{name}: where: {problem}. {expected}")
    if not (isinstance(condition, ibis.Value) and condition.type().is_boolean()):
        raise InputError(f"{name}: where: the result is no condition. {expected}")
    columns = sorted({field.name for field in condition.op().find(operations.Field) if field.rel == without_rows.op()})
    bound = condition.op().replace({without_rows.op(): table.op()}).to_expr()
    try:
        table.filter(bound)
    except ibis.IbisError:
        problem = "the condition is on another table"
    if problem is not None:
        raise InputError(f"{name}: where: {problem}. {expected}")
    return bound, columns
