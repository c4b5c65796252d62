"""What columns are called: words that identify, that describe a person, that count or that summarise.

A column is known by its whole name or by a word of it: `age_dg` and `delai_j` are an age and a duration, whatever a
hospital puts behind; `mean_age` is neither.
"""

import re
from functools import cache

from paillasse.scan.identifiers import BIRTH_NAMES
from paillasse.scan.known import plain

# Names that identify whatever the catalogue says.
IDENTIFIERS = {
    "patient", "patientid", "idpatient", "patid", "patientnumber", "numpatient", "nopatient", "numeropatient",
    "subject", "subjectid", "subjid", "usubjid", "ipp", "iep", "nip", "nir", "nda", "mrn", "pseudonym",
    "pseudonyme", "pseudo", "ins", "bennirpsa", "benidtano", "niranov", "nirano17", "ninddossier", "numsejour",
    "participant", "participantid", "recordid", "personid", "ptid", "sampleid", "nom", "nomdenaissance",
    "prenom", "lastname", "firstname", "surname", "nomprenom",
}  # fmt: skip
OF_A_PERSON = {"age", "sex", "sexe", "gender", "genre"} | BIRTH_NAMES  # beside which a `name` is somebody's
WEAK = {
    "id",
    "case",
    "pid",
    "no",
    "num",
    "number",
    "subject",
    "participant",
    "patient",
    "ins",
    "nom",
}  # of other things too
QUASI = {
    "age", "sex", "sexe", "gender", "genre", "zip", "zipcode", "postcode", "codepostal", "cp", "commune",
    "ville", "city", "dpt", "departement", "department", "birthyear", "yearofbirth", "anneenaissance", "centre",
    "center", "hospital", "hopital", "race", "ethnicity", "profession", "occupation", "weight", "poids",
    "height", "taille", "bmi", "imc", "initials", "initiales", "diagnosisdate", "datediagnostic", "datediag",
    "deathdate", "datedeces", "datededeces", "dod", "admission", "discharge", "ageannees", "ageyears",
    "agediag", "ageatdiagnosis", "agedx", "agediagnostic",
} | BIRTH_NAMES  # fmt: skip
CLINICAL = {
    "time", "duration", "survie", "delai", "followup", "suivi", "status", "statut", "event", "evenement",
    "death", "deces", "dead", "stage", "stade", "grade", "ecog", "karno", "treatment", "traitement", "arm",
    "bras", "tumour", "tumor", "histology", "diagnosis", "diagnostic", "pfs", "os", "osdays", "pfsdays",
    "rfstime", "futime", "dose", "response", "reponse",
}  # fmt: skip
COUNTS = {
    "n", "count", "counts", "patients", "npatients", "effectif", "effectifs", "nombre", "frequency", "freq",
    "total", "nrisk", "atrisk", "npatient", "rows", "cases", "overall",
}  # fmt: skip
EVENTS = {
    "nevent",
    "events",
    "nevents",
    "event",
    "d",
    "observed",
    "deaths",
}
CENSORED = {
    "ncensor",
    "censored",
    "ncensored",
    "c",
}
TOLD = {"nevent", "nlost"}  # in the safe form of a curve: sums, each told once it has grown by k, or 0
STATISTICS = {
    "mean",
    "std",
    "count",
    "min",
    "max",
    "25%",
    "50%",
    "75%",
    "median",
    "sd",
    "sum",
    "var",
    "unique",
    "top",
    "moyenne",
}
OF_A_COLUMN = ("minimum", "maximum", "missing", "percent")  # what a dictionary of the data says of each column
# Words within names: of a count of many, of a person, of a course of disease, of an identifier, of a summary of many.
COUNTED = COUNTS - {"n"} | {"risk", "risque", "events", "evenements", "deaths", "cases", "cas", "all"}
PERSON = {
    "age", "sex", "sexe", "gender", "naiss", "naissance", "birth", "ddn", "dob", "cp", "postal", "commune", "ville",
    "dpt", "poids", "weight", "taille", "height", "bmi", "imc", "centre", "hopital", "hospital", "date", "dt", "dat",
}  # fmt: skip
COURSE = CLINICAL | {
    "dcd", "ddc", "vivant", "alive", "recidive", "rechute", "relapse", "recurrence", "progression", "recur", "surv",
    "dfs", "ttp", "rfs", "efs", "recul", "fu", "ps", "tnm", "her2", "ki67", "psa", "ldh", "hb", "nodes", "ganglions",
    "pos", "rp", "re", "er", "pgr", "pr", "ligne", "cycle", "cycles", "meno", "hormon", "chemo", "chimio", "rt",
    "recist", "dtime", "creat", "hgb", "hemoglobine", "albumine", "albumin", "crp", "plaquettes", "leucocytes", "bili",
    "asat", "alat",
}  # fmt: skip
GIVEN = {
    "patient", "dossier", "ndossier", "numdossier", "ndos", "ipp", "nip", "iep", "nir", "pseudo", "pseudonyme",
    "subjid", "mrn", "sejour",
}  # fmt: skip
STAGES = {"stage", "stade", "grade", "nodes", "ecog", "ps", "treatment", "traitement", "arm", "bras", "tumour", "tumor"}
OF_EACH_ROW = {
    "residual", "residuals", "resid", "hatdiag", "leverage", "cooksd", "cooksdistance", "dffits", "dffitsinternal",
    "studentresid", "standardresid", "martingale", "devianceresidual", "schoenfeld", "scoreresidual",
    "fittedvalues", "yhat", "ytrue", "ypred",
}  # fmt: skip
SETTINGS = {
    "param", "params", "depth", "estimators", "lr", "learning", "epoch", "batch", "dropout", "hidden", "layers",
    "optimizer", "eta", "lambda", "subsample", "colsample", "splits", "leaf", "kernel", "penalty", "trial", "fold",
    "seed", "iteration", "loss", "score", "auc", "auroc", "rmse", "mae", "logloss", "accuracy", "f1",
}  # fmt: skip
LIVING = {
    "commune", "cp", "postal", "postcode", "zip", "zipcode", "ville", "city", "naiss", "naissance", "birth", "ddn",
    "dob",
}  # fmt: skip
GROUPING = {
    "sex", "sexe", "gender", "genre", "centre", "center", "hopital", "hospital", "meno", "hormon", "chemo", "chimio",
    "her2", "er", "re", "pgr", "rp", "pr", "ligne", "cycle", "histology", "site", "event", "status", "statut",
}  # fmt: skip
OUTCOMES = {"event", "evenement", "status", "statut", "dcd", "ddc", "death", "deces", "dead"}
DURATIONS = {"time", "duration", "delai", "survie", "followup", "suivi", "os", "pfs", "futime", "rfstime", "dtime"}
SUMMARY = STATISTICS | {
    "n", "q1", "q3", "iqr", "hr", "or", "rr", "coef", "se", "ci", "ic", "lower", "upper", "rate", "taux", "pct",
    "percent", "group", "groupe", "tranche", "classe", "class", "category", "bin", "total", "nb", "missing",
    "mediane", "p", "mse", "rmse", "auc", "score", "bias", "weighted", "p25", "p75", "mad", "sim", "estimate", "iter",
    "val", "train", "test", "fit", "elapsed", "wall", "patients", "s", "ms", "start", "end", "version", "format",
    "proportion",
}  # fmt: skip


def settings_in(text: str) -> set[str]:
    """Words of a text that are settings or scores of models."""
    return SETTINGS.intersection(re.findall(r"[a-z0-9]+", text.lower()))


@cache
def is_setting(name: str) -> bool:
    """Whether a column is called as a setting or a score of models is.

    >>> is_setting("max_depth"), is_setting("age_dg")
    (True, False)
    """
    return bool(settings_in(name))


@cache
def words_of(name: str) -> frozenset[str]:
    """The words within a column's name, unless it names a summary of many; then there are none.

    >>> sorted(words_of("Delai_dcd")), words_of("mean_age")
    (['dcd', 'delai'], frozenset())
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name))
    words = {plain(word) for word in re.split(r"[^0-9A-Za-zÀ-ÿ]+", apart)} - {""}
    return frozenset() if words & SUMMARY or len(words) > 4 else frozenset(words)
