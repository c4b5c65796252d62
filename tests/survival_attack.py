"""The published attack on survival curves, and the public cohorts on which it is tried.

Guyot, Ades, Ouwens and Welton (2012), BMC Med Res Methodol 12:9.
"""

import numpy as np
import pandas as pd

from paillasse import open_catalog
from paillasse.survival import kaplan_meier


def read_trials() -> dict[str, pd.DataFrame]:
    """Public cohorts in one form: time (days), event, arm."""
    catalog = open_catalog()
    veteran, lung, gbsg, colon, mgus2, rotterdam = (
        catalog[name].read() for name in ("veteran", "lung", "gbsg", "colon", "mgus2", "rotterdam")
    )
    colon = colon[colon["etype"] == 2]
    return {
        "veteran": veteran.assign(event=veteran["status"], arm=veteran["trt"]),
        "lung": lung.assign(event=lung["status"] - 1, arm=lung["sex"]),
        "gbsg": gbsg.assign(time=gbsg["rfstime"], event=gbsg["status"], arm=gbsg["hormon"]),
        "colon": colon.assign(event=colon["status"], arm=colon["rx"]),
        "mgus2": mgus2.assign(time=mgus2["futime"], event=mgus2["death"], arm=mgus2["sex"]),
        "rotterdam": rotterdam.assign(time=rotterdam["dtime"], event=rotterdam["death"], arm=rotterdam["hormon"]),
    }


def guyot(time, survival, risk_time, n_risk) -> pd.DataFrame:
    """Patients from a published curve: its points from (0, 1) on, and numbers at risk at some of its times.

    Within each interval of the numbers at risk a number of censorings is guessed, spread evenly, the events follow
    from the curve, and the guess is mended until the next number at risk comes out. Who is left at the end is censored
    there. Returns a row a patient: `time`, `event`.
    """
    time, survival, n_risk = np.asarray(time, float), np.asarray(survival, float), np.array(n_risk, int)
    place = [*np.searchsorted(time, risk_time)]
    events, lost = np.zeros(len(time), int), np.zeros(len(time), int)
    at_risk, curve, last = np.zeros(len(time) + 1, int), np.ones(len(time)), 0
    for start, end, now, later in zip(place, place[1:], n_risk, n_risk[1:]):
        censored = max(round(now * survival[end - 1] / survival[start] - later), 0)
        for _ in range(50):
            moments = time[start] + np.arange(1, censored + 1) * (time[end] - time[start]) / (censored + 1)
            lost[start:end] = np.histogram(moments, time[start : end + 1])[0] if end > start else 0
            at_risk[start], reached = now if start else n_risk[0], last
            for k in range(start, end):
                if k > 0:
                    events[k] = max(round(at_risk[k] * (1 - survival[k] / curve[reached])), 0)
                    curve[k] = curve[reached] * (1 - events[k] / max(at_risk[k], 1))
                at_risk[k + 1] = max(at_risk[k] - events[k] - lost[k], 0)
                reached = k if events[k] else reached
            off = at_risk[end] - later
            if off == 0 or (off < 0 and censored == 0):
                break
            censored = max(censored + off, 0)
        last = reached
    end = place[-1]
    events[end] = max(round(at_risk[end] * (1 - survival[end] / curve[last])), 0)
    left = max(at_risk[end] - events[end], 0)
    parts = [np.repeat(time, events), np.repeat(time, lost), np.repeat(time[-1], left)]
    return pd.DataFrame({"time": np.concatenate(parts), "event": np.repeat([1, 0, 0], [len(each) for each in parts])})


def guyot_of_exact(data: pd.DataFrame) -> pd.DataFrame:
    """The attack on a curve as it is usually published: a step at each event, numbers at risk at six times."""
    table = kaplan_meier(data, "time", "event").table
    table = table[table["n_event"] > 0]
    time, survival = np.append(0.0, table["time"]), np.append(1.0, table["survival"])
    risk_time = time[np.linspace(0, len(time) - 1, 6).astype(int)]
    return guyot(time, survival, risk_time, [(data["time"] >= moment).sum() for moment in risk_time])


def guyot_of_safe(table: pd.DataFrame) -> pd.DataFrame:
    """The attack on a released curve, its straight lines followed point by point."""
    cuts = table["time"].to_numpy()
    time = np.unique(np.concatenate([cuts, np.linspace(0, cuts[-1], 300)]))
    return guyot(time, np.interp(time, cuts, table["survival"]), cuts, table["n_risk"])
