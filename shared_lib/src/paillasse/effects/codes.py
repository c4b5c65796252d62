"""Lists of codes, each with its version and where it comes from: what a study means by a drug, a stay, a toxicity."""

import re
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from paillasse.errors import InputError, did_you_mean
from paillasse.tables import Shown, View, need_columns

# What a code of each vocabulary looks like; where the vocabulary is a tree, it may be the beginning of one.
VOCABULARIES = {
    "ATC": r"[A-Z](\d\d([A-Z]([A-Z](\d\d)?)?)?)?",
    "UCD": r"\d{7}|\d{13}",
    "CCAM": r"[A-Z]{4}\d{3}",
    "CIM-10": r"[A-Z]\d\d[0-9+]{0,4}",
    "GHM": r"\d\d[CHKMZ]\d\d[0-9A-Z]?",
}
COLUMNS = ["vocabulary", "code", "name", "class"]
FOLDER = files("paillasse.effects") / "code_lists"


@dataclass(frozen=True, repr=False)
class CodeList(Shown):
    """Codes and what they are taken for.

    Attributes
    ----------
    title : str
        What the codes have in common.
    version : str
        Year and month of the choice. Whoever changes a code changes it.
    citation : tuple of str
        Where the codes and the choice come from, and what to beware of.
    table : pandas.DataFrame
        A row a code: `vocabulary` (ATC, UCD, CCAM, CIM-10 or GHM), `code` (as claims have it, CIM-10 without the point;
        it stands for all codes that begin with it, and of two the longer counts), `name` (the drug or the condition;
        several codes may share one), `class` (of the name).

    Raises
    ------
    InputError
        Columns are missing, or a vocabulary is unknown, a code has not its vocabulary's form or stands there twice, or
        a name has two classes.

    Examples
    --------
    >>> rows = [("ATC", "L01FF01", "nivolumab", "PD-1"), ("ATC", "L01FF02", "pembrolizumab", "PD-1")]
    >>> table = pd.DataFrame(rows, columns=["vocabulary", "code", "name", "class"])
    >>> CodeList("Two", "2026-11", ("Ours.",), table).names
    ('nivolumab', 'pembrolizumab')
    """

    title: str
    version: str
    citation: tuple[str, ...]
    table: pd.DataFrame

    def __post_init__(self):
        need_columns(self.table, COLUMNS)
        if self.table[COLUMNS].isna().any(axis=None) or not len(self.table):
            raise InputError(f"The code list {self.title!r} is empty or has an empty cell.")
        for vocabulary, codes in self.table.groupby("vocabulary", sort=False)["code"]:
            if vocabulary not in VOCABULARIES:
                raise InputError(
                    f"The code list {self.title!r} has a vocabulary {vocabulary!r}. "
                    f"{did_you_mean(vocabulary, VOCABULARIES)}"
                )
            self._refuse(
                [code for code in codes if not re.fullmatch(VOCABULARIES[vocabulary], str(code))],
                f"that are no {vocabulary} codes (no points, no blanks, capitals)",
            )
        self._refuse(list(self.table.loc[self.table["code"].duplicated(), "code"]), "that stand there twice")
        classes = self.table.groupby("name")["class"].nunique()
        self._refuse(list(classes.index[classes > 1]), "with two classes")

    def _refuse(self, wrong: list[str], what: str) -> None:
        if wrong:
            raise InputError(f"The code list {self.title!r} has codes or names {what}: {', '.join(map(str, wrong))}.")

    @property
    def codes(self) -> dict[str, str]:
        """Code → name."""
        return dict(zip(self.table["code"], self.table["name"]))

    @property
    def names(self) -> tuple[str, ...]:
        """What the codes are taken for, once each, in the list's order."""
        return tuple(dict.fromkeys(self.table["name"]))

    @property
    def classes(self) -> dict[str, str]:
        """Name → class."""
        return dict(zip(self.table["name"], self.table["class"]))

    def only(self, *names: str) -> "CodeList":
        """The codes of some names.

        Examples
        --------
        >>> code_list("common_drugs").only("metformin").codes
        {'A10BA02': 'metformin'}
        """
        for name in names:
            if name not in self.names:
                raise InputError(f"The code list {self.title!r} has no {name!r}. {did_you_mean(name, self.names)}")
        table = self.table[self.table["name"].isin(names)].reset_index(drop=True)
        return CodeList(f"{self.title}: {', '.join(names)}", self.version, self.citation, table)

    def known_in(self, dictionary) -> "CodeList":
        """Itself, if every code is in a dictionary of its vocabulary; a code that changed would find nobody.

        Parameters
        ----------
        dictionary : iterable of str
            All codes of the vocabulary, such as a column of the national dictionary of drugs, or the codes that occur.

        Raises
        ------
        InputError
            Codes with which no code of the dictionary begins.

        Examples
        --------
        >>> code_list("common_drugs").only("metformin").known_in(["A10BA02", "A10BK01"]).names
        ('metformin',)
        """
        begun = {str(code)[:length] for code in dictionary for length in range(1, len(str(code)) + 1)}
        self._refuse([code for code in self.table["code"] if code not in begun], "that the dictionary does not know")
        return self

    def __add__(self, other: "CodeList") -> "CodeList":
        table = pd.concat([self.table, other.table], ignore_index=True)
        versions = "; ".join(dict.fromkeys((self.version, other.version)))
        citation = tuple(dict.fromkeys((*self.citation, *other.citation)))
        return CodeList(f"{self.title}; {other.title}", versions, citation, table)

    def view(self) -> View:
        return View(f"{self.title} (version {self.version})", self.table, self.citation)


def code_list(name: str) -> CodeList:
    """A list that comes with the library.

    Parameters
    ----------
    name : str
        `immune_checkpoint_inhibitors`, `anticancer_drugs`, `common_drugs` (ATC), `anticancer_drugs_ucd` (UCD),
        `chemotherapy_sessions` (CIM-10, GHM), `immune_toxicity` (CIM-10) or `lung_resections` (CCAM). They are a start:
        read them before you use them, and cite their version. UCD codes are of products and change every year: the
        list has a few, of 2007 and 2008, with the names and classes of `anticancer_drugs`, so that both can be
        added, and none of an immune checkpoint inhibitor. For a study give drugs by the ATC code of the dictionary of
        products, or a list of your own.

    Returns
    -------
    CodeList

    Raises
    ------
    InputError
        There is no such list.

    Examples
    --------
    >>> code_list("immune_checkpoint_inhibitors").codes["L01FF02"]
    'pembrolizumab'

    The same drug by its ATC code and by its product's code, which claims have in three forms:

    >>> drugs = (code_list("anticancer_drugs") + code_list("anticancer_drugs_ucd")).codes
    >>> {drugs[code] for code in ["L01FG01", "9261104", "0000009261104", "3400892611044"]}
    {'bevacizumab'}
    """
    known = sorted(file.name.removesuffix(".csv") for file in FOLDER.iterdir() if file.name.endswith(".csv"))
    if name not in known:
        raise InputError(f"There is no code list {name!r}. {did_you_mean(name, known)}")
    text = (FOLDER / f"{name}.csv").read_text(encoding="utf-8")
    about = re.findall(r"(?m)^# (title|version|citation): (.+)$", text)
    said = dict(about)
    with (FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, comment="#", dtype="string").astype(object)
    return CodeList(said["title"], said["version"], tuple(line for key, line in about if key == "citation"), table)
