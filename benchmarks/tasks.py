"""One task of one Python package, in a process of its own: `python tasks.py TASK PACKAGE FOLDER`.

Prints one line of JSON: CPU seconds of the task alone, peak memory of the process, memory before the task. A small
run on the first rows comes first, so that imports inside functions and compilers are not measured.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from cohorts import FORMULA, read_cohort

BOOTSTRAPS = 200
WARM_UP_ROWS = 1000
DESIGN_COLUMNS = 27
LEAST_SECONDS = 0.3  # the clock ticks in steps of some milliseconds, so what is short is done again


# --- Paillasse ---------------------------------------------------------------------------------------------------


def paillasse_km(data):
    from paillasse.survival import kaplan_meier

    return lambda: kaplan_meier(data, "duration", "event", by="stage")


def paillasse_logrank(data):
    from paillasse.survival import logrank

    return lambda: logrank(data, "duration", "event", by="stage")


def paillasse_cox(data, **options):
    from paillasse.survival import cox

    return lambda: cox(data, "duration", "event", FORMULA, **options)


def paillasse_cox_entry(data):
    return paillasse_cox(data, entry="entry")


def paillasse_cox_cluster(data):
    return paillasse_cox(data, cluster="hospital")


def paillasse_ph_test(data):
    model = paillasse_cox(data)()
    return lambda: model.proportional_hazards()


def paillasse_aalen_johansen(data):
    from paillasse.survival import cumulative_incidence

    return lambda: cumulative_incidence(data, "duration", "cause")


def paillasse_fine_gray(data):
    from paillasse.survival import fine_gray

    return lambda: fine_gray(data, "duration", "cause", 1, FORMULA)


def paillasse_harrell(data):
    from paillasse.survival import concordance

    return lambda: concordance(data, "duration", "event", "risk")


def paillasse_uno(data):
    from paillasse.survival import concordance

    return lambda: concordance(data, "duration", "event", "risk", method="uno")


def paillasse_bootstrap(data):
    model = paillasse_cox(data)()
    if not hasattr(model, "bootstrap"):
        raise ImportError("CoxModel has no bootstrap yet")
    return lambda: model.bootstrap(BOOTSTRAPS, 1)


# --- lifelines ---------------------------------------------------------------------------------------------------


def lifelines_km(data):
    from lifelines import KaplanMeierFitter

    def run():
        for _, group in data.groupby("stage", observed=True)[["duration", "event"]]:  # else all columns are copied
            KaplanMeierFitter().fit(group["duration"], group["event"])

    return run


def lifelines_logrank(data):
    from lifelines.statistics import multivariate_logrank_test

    return lambda: multivariate_logrank_test(data["duration"], data["stage"], data["event"])


def lifelines_cox(data, **options):
    from lifelines import CoxPHFitter

    return lambda: CoxPHFitter().fit(data, "duration", "event", formula=FORMULA, **options)


def lifelines_cox_entry(data):
    return lifelines_cox(data, entry_col="entry")


def lifelines_cox_cluster(data):
    return lifelines_cox(data, cluster_col="hospital")


def lifelines_ph_test(data):
    from lifelines.statistics import proportional_hazard_test

    model = lifelines_cox(data)()
    return lambda: proportional_hazard_test(model, data, time_transform="km")


def lifelines_aalen_johansen(data):
    from lifelines import AalenJohansenFitter

    def run():
        for cause in (1, 2):
            AalenJohansenFitter(seed=1).fit(data["duration"], data["cause"], event_of_interest=cause)

    return run


def lifelines_harrell(data):
    from lifelines.utils import concordance_index

    return lambda: concordance_index(data["duration"], -data["risk"], data["event"])


def lifelines_bootstrap(data):
    def run():
        rng = np.random.default_rng(1)
        for _ in range(BOOTSTRAPS):
            lifelines_cox(data.iloc[rng.integers(0, len(data), len(data))])()

    return run


# --- scikit-survival ---------------------------------------------------------------------------------------------


def _outcome(data):
    from sksurv.util import Surv

    return Surv.from_arrays(data["event"].astype(bool), data["duration"])


def sksurv_km(data):
    from sksurv.nonparametric import kaplan_meier_estimator

    def run():
        for _, group in data.groupby("stage", observed=True)[["duration", "event"]]:  # else all columns are copied
            kaplan_meier_estimator(group["event"].astype(bool), group["duration"], conf_type="log-log")

    return run


def sksurv_logrank(data):
    from sksurv.compare import compare_survival

    return lambda: compare_survival(_outcome(data), data["stage"].to_numpy())


def sksurv_cox(data):
    from cohorts import LEVELS, NUMBERS
    from sksurv.column import encode_categorical
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    covariates = [*NUMBERS, *LEVELS]
    model = CoxPHSurvivalAnalysis(ties="efron")
    return lambda: model.fit(encode_categorical(data[covariates]), _outcome(data))


def sksurv_aalen_johansen(data):
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    return lambda: cumulative_incidence_competing_risks(data["cause"], data["duration"], conf_type="log-log")


def sksurv_harrell(data):
    from sksurv.metrics import concordance_index_censored

    return lambda: concordance_index_censored(data["event"].astype(bool), data["duration"], data["risk"])


def sksurv_uno(data):
    from sksurv.metrics import concordance_index_ipcw

    return lambda: concordance_index_ipcw(_outcome(data), _outcome(data), data["risk"])


# --- comprisk ----------------------------------------------------------------------------------------------------


def comprisk_aalen_johansen(data):
    from comprisk import CumulativeIncidence

    return lambda: CumulativeIncidence().fit(data["duration"].to_numpy(), data["cause"].to_numpy())


def comprisk_fine_gray(data):
    import pandas as pd
    from cohorts import LEVELS, NUMBERS
    from comprisk import FineGrayRegression

    def run():
        design = pd.get_dummies(data[[*NUMBERS, *LEVELS]], drop_first=True, dtype=float)
        model = FineGrayRegression(cause=1, robust_se=True)
        model.fit(design, time=data["duration"].to_numpy(), event=data["cause"].to_numpy())

    return run


# --- the limit: the data once through memory ---------------------------------------------------------------------


def memory_pass_outcome(data):
    outcome = np.ones((len(data), 3))
    return lambda: outcome.sum()


def memory_pass_design(data):
    design = np.ones((len(data), DESIGN_COLUMNS))
    return lambda: design.sum()


def memory_now(field: str) -> float:
    """VmHWM (peak) or VmRSS in MB; getrusage would carry over the peak of the process that started this one."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return float("nan")
    return int(status.read_text().split(field + ":")[1].split()[0]) / 1024


def main(task: str, package: str, folder: Path) -> dict:
    prepare = globals().get(f"{package}_{task}")
    if prepare is None:
        return {"state": "absent", "note": "the package has no such function"}
    data = read_cohort(folder)
    try:
        prepare(data.head(WARM_UP_ROWS))()
        run = prepare(data)
        before, peak, used, times = memory_now("VmRSS"), None, 0.0, 0
        while used < LEAST_SECONDS:
            start = time.process_time()
            run()
            used, times = used + time.process_time() - start, times + 1
            peak = peak or memory_now("VmHWM")
    except ImportError as error:
        return {"state": "absent", "note": str(error).split(" (")[0]}
    except Exception as error:  # a peer may fail in any way; that is its answer
        return {"state": "failed", "note": f"{type(error).__name__}: {error}".splitlines()[0][:120]}
    return {"state": "ok", "seconds": used / times, "peak_mb": peak, "before_mb": before}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
