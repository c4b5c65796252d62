"""From a formula to the columns of a Cox model: R's formulas, read by formulaic, without an intercept."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec, model_matrix
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor
from formulaic.utils.variables import get_required_variables

from paillasse.errors import InputError
from paillasse.survival._input import refuse
from paillasse.survival._partial_likelihood import blocks
from paillasse.tables import need_columns


@dataclass(frozen=True)
class Design:
    """What is needed to build the columns of the fitted rows again from others."""

    names: list[str]
    terms: dict[str, list[int]]
    spec: ModelSpec

    def of(self, data: pd.DataFrame) -> np.ndarray:
        """The same columns from other data: categories keep their coding, splines their knots."""
        need_columns(data, _columns(self.spec.formula))
        return self.spec.get_model_matrix(data, na_action="ignore")[self.names].to_numpy(dtype=float)


def parsed(formula: str | Sequence[str], data: pd.DataFrame) -> tuple[Formula, list[str]]:
    """The formula and the columns that it needs, each checked to exist."""
    if not isinstance(formula, str):
        need_columns(data, formula)
        formula = " + ".join(f"`{name}`" for name in formula)
    if not formula.strip() or "~" in formula:
        raise InputError('formula names the covariates only, e.g. "age + C(stage)"; the outcome has its own arguments.')
    try:
        right = Formula(formula)
        needed = _columns(right)
    except FormulaicError as error:
        raise InputError(f"The formula {formula!r} cannot be read: {error}") from None
    need_columns(data, needed)
    return right, needed


def design(formula: Formula, data: pd.DataFrame, rows: np.ndarray) -> tuple[Design, np.ndarray]:
    """Build the columns (n × p) for the complete rows, whose positions in the caller's data are `rows`."""
    try:
        built = model_matrix(formula, data, na_action="ignore")
    except FormulaicError as error:
        raise InputError(f"The formula cannot be applied to the data: {error}") from None
    spec = built.model_spec
    names = [name for name in built.columns if name != "Intercept"]
    if not names:
        raise InputError("The formula has no covariate.")
    columns = [built[name].to_numpy() for name in names]
    for name, column in zip(names, columns):
        if column.dtype.kind == "f":
            refuse(~np.isfinite(column), f"Term {name!r} is not a finite number", rows)
    matrix = np.empty((len(data), len(names)))
    for block in blocks(len(data)):  # row after row in memory, block by block: no second copy is ever made
        for place, column in enumerate(columns):
            matrix[block, place] = column[block]
    terms = {}
    for term, places in spec.term_indices.items():
        kept = [names.index(built.columns[place]) for place in places if built.columns[place] != "Intercept"]
        if kept:
            terms[str(term)] = kept
    return Design(names, terms, spec), matrix


def _columns(formula: Formula) -> list[str]:
    """The data's columns that a formula uses, also those in backquotes, which formulaic cuts at a dot."""
    needed = set()
    for factor in {factor for term in formula for factor in term.factors}:
        if factor.eval_method is Factor.EvalMethod.LOOKUP:
            needed.add(factor.expr)
        elif factor.eval_method is Factor.EvalMethod.PYTHON:
            needed |= set(re.findall(r"`([^`]+)`", factor.expr))
            variables = get_required_variables(re.sub(r"`[^`]+`", "0", factor.expr))
            needed |= {str(name.root) for name in variables if "callable" not in name.roles}
    return sorted(needed)
