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
DAY = re.compile(
    r"(?<![\d-])(?P<iso>(?:19|20)\d\d-[01]\d-[0-3]\d)(?!\d)"
    r"|(?<![\d/.])(?P<figures>[0-3]\d([/.])[01]\d\3(?:19|20)\d\d)(?!\d)"
    rf"|\b(?P<words>[0-3]?\d(?:er|st|nd|rd|th)?[ -](?:{MONTH})\.?,?[ -](?:19|20)\d\d)\b"
    rf"|\b(?P<american>(?:{MONTH})\.? [0-3]?\d,? (?:19|20)\d\d)\b",
    re.IGNORECASE,
)
PART = re.compile(r"[^\W\d_]{3,}|\d+")


def days_in(text: str) -> list[str]:
    """The days that a text names, in their order, as `year-month-day`.

    >>> days_in("le 3 mars 1958, 04/05/1961, Dec 7, 1949 et 1970-01-31")
    ['1958-03-03', '1961-05-04', '1949-12-07', '1970-01-31']
    """
    found = []
    for match in DAY.finditer(text):
        parts = PART.findall(match[0])
        if match["iso"]:
            parts = parts[::-1]
        elif match["american"]:
            parts = [parts[1], parts[0], parts[2]]
        day, month, year = parts[0], parts[-2], parts[-1]
        found.append(f"{year}-{MONTHS.get(month.lower(), 0) or int(month):02}-{int(day):02}")
    return found
