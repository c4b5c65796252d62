"""Days as people write them, in figures or in words, French or English."""

import re

MONTHS = {
    name: number
    for names in (
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "january february march april may june july august september october november december",
        "janv févr mars avr mai juin juil août sept oct nov déc",
        "jan feb mar apr may jun jul aug sep oct nov dec",
    )
    for number, name in enumerate(names.split(), 1)
}
MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
IN_FIGURES = re.compile(
    r"(?<![\d-])(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)|(?<![\d/.])[0-3]\d([/.])[01]\d\1(?:19|20)\d\d(?!\d)"
)
COMPACT = re.compile(r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")  # 19580303
IN_WORDS = re.compile(
    rf"\b[0-3]?\d(?:er|st|nd|rd|th)?[ -](?:{MONTH})\.?,?[ -](?:19|20)\d\d\b"
    rf"|\b(?:{MONTH})\.? [0-3]?\d,? (?:19|20)\d\d\b"
)
PART = re.compile(r"[^\W\d_]{3,}|\d+")  # of a day in words, without the letters after a number


def days_in(text: str) -> list[str]:
    """The days that a text names as `year-month-day`: those in figures, then those in words, each in their order.

    >>> days_in("le 3 mars 1958, 04/05/1961, Dec 7, 1949 et 1970-01-31")
    ['1961-05-04', '1970-01-31', '1958-03-03', '1949-12-07']
    """
    found = []
    for match in IN_FIGURES.finditer(text):
        parts = re.findall(r"\d+", match[0])
        found.append("-".join(parts if len(parts[0]) == 4 else parts[::-1]))
    if "." not in text:  # among fractions such a number is a part of one
        found += ["-".join(parts) for parts in COMPACT.findall(text)]
    lower = text.lower()
    for match in IN_WORDS.finditer(lower) if any(name in lower for name in MONTHS) else ():
        *first, year = PART.findall(match[0])
        month, day = first if first[0] in MONTHS else first[::-1]
        found.append(f"{year}-{MONTHS[month]:02}-{int(day):02}")
    return found
