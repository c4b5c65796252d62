"""Exposures, lines and the analysis table once more, in plain loops over days: what the queries must give, exactly.

Events are tuples (patient, code or name, weight or None, first day, last day), days are whole numbers.
"""


def named(events: list, codes: dict) -> list:
    found = []
    for patient, code, weight, first, last in events:
        fitting = [known for known in codes if code[: len(known)] == known]
        if fitting:
            found.append((patient, codes[max(fitting, key=len)], weight, first, last))
    return found


def settled(events: list) -> list:
    """Rows of the same patient, value and first day as one; those that were cancelled are gone."""
    sums, ends = {}, {}
    for patient, value, weight, first, last in events:
        key = patient, value, first
        sums[key] = sums.get(key, 0) + (1 if weight is None else weight)
        ends[key] = max(ends.get(key, last), last)
    return [(*key[:2], weight, key[2], ends[key]) for key, weight in sums.items() if weight > 0]


def exposures(events: list, days, gap: int) -> list:
    """Every covered day is put into a set; an exposure ends where more than `gap` days are not in it."""
    covered, weights = {}, {}
    for patient, value, weight, first, last in settled(events):
        at_least = days.get(value, 1) if isinstance(days, dict) else days
        inside = range(first, max(last, first + at_least - 1) + 1)
        covered.setdefault((patient, value), set()).update(inside)
        weights.setdefault((patient, value), []).append((first, weight))
    found = []
    for (patient, value), inside in covered.items():
        runs = []
        for each in sorted(inside):
            if runs and each - runs[-1][1] - 1 <= gap:
                runs[-1][1] = each
            else:
                runs.append([each, each])
        for first, last in runs:
            weight = sum(weight for start, weight in weights[patient, value] if first <= start <= last)
            found.append((patient, value, weight, first, last))
    return sorted(found)


def regimen(given: list, begin: int, grace: int) -> set:
    return {value for value, first, last in given if first <= begin + grace and last >= begin}


def next_begin(given: list, begin: int, grace: int):
    old = regimen(given, begin, grace)
    return min((first for value, first, _ in given if first > begin + grace and value not in old), default=None)


def lines(exposed: list, grace: int, most: int) -> list:
    found = []
    for patient in sorted({row[0] for row in exposed}):
        given = [(value, first, last) for who, value, _, first, last in exposed if who == patient]
        begin = min(first for _, first, _ in given)
        for line in range(1, most + 1):
            if begin is not None:
                found.append((patient, line, begin, " + ".join(sorted(regimen(given, begin, grace)))))
                begin = next_begin(given, begin, grace)
    return sorted(found)


def analysis(patients: list, drugs: list, stays: list, lists: dict, grace: int, washout: int, days: int) -> tuple:
    """Patients are (pseudonym, observed from, last day, death). The counts of the flow, and the rows."""
    backbone, partners, toxicity, treatments = (
        lists[name] for name in ("backbone", "partners", "toxicity", "treatments")
    )
    left, rows = [len(patients), 0, 0, 0], []
    for patient, observed, last, death in sorted(patients):
        mine = [row for row in drugs if row[0] == patient]
        administered = settled(named(mine, backbone.codes))
        if not administered:
            continue
        left[1] += 1
        zero = min(first for _, _, _, first, _ in administered)
        if zero - observed < washout:
            continue
        left[2] += 1
        if zero >= last:
            continue
        left[3] += 1
        started = [
            (first, value)
            for _, value, _, first, _ in exposures(named(mine, partners.codes), days, washout)
            if zero <= first <= min(zero + grace, last - 1)
        ]
        begin = min((first for first, _ in started), default=None)
        names = sorted(value for first, value in started if first == begin)
        toxic = [
            first
            for who, _, _, first, _ in named([row for row in stays if row[0] == patient], toxicity.codes)
            if zero < first <= last
        ]
        given = [(value, first, end) for _, value, _, first, end in exposures(named(mine, treatments.codes), days, 0)]
        next_day = next_begin(given, zero, grace)
        is_next = next_day is not None and next_day <= last
        rows.append(
            {
                "patient": patient,
                "time_zero": zero,
                "backbone": " + ".join(sorted({value for _, value, _, first, _ in administered if first == zero})),
                "partner": " + ".join(names) if names else "none",
                "partner_class": "none" if not names else partners.classes[names[0]] if len(names) == 1 else "several",
                "partner_start": None if begin is None else begin - zero,
                "duration": last - zero,
                "death": death,
                "toxicity_time": min(toxic, default=last) - zero,
                "toxicity": 1 if toxic else 2 * death,
                "next_treatment_time": (next_day if is_next else last) - zero,
                "next_treatment": 1 if is_next else death,
            }
        )
    return left, rows
