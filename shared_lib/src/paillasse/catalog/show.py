"""How a catalogue and its entries show themselves, in a notebook's cell and in a terminal.

HTML with styles on the elements, because JupyterLab drops style sheets of notebooks that it does not trust; colours
are left to the theme.
"""

from html import escape

from paillasse.errors import PaillasseError

CELL = "text-align:left;vertical-align:top;padding:0.25em 1em 0.25em 0;border-bottom:1px solid rgba(128,128,128,0.25)"


# A search box needs a script; JupyterLab runs none in notebooks that it does not trust; there the box stays hidden.
SEARCH = """
<p hidden><input type="search" placeholder="search" aria-label="search the catalogue"></p>
<script>
(() => {
  const script = document.currentScript, box = script.previousElementSibling;
  box.hidden = false;
  box.firstElementChild.addEventListener("input", event => {
    const words = event.target.value.toLowerCase().split(/\\s+/);
    for (const row of script.nextElementSibling.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    }
  });
})();
</script>"""


def catalog_as_html(catalog) -> str:
    """A table of what exists, with a box that searches it."""
    head = ["name", "title", "observation", "patients", "sensitivity", "keywords", "steward"]
    rows = [
        [
            _code(entry.name),
            escape(entry.title),
            escape(entry.about.unit_of_observation),
            _number(entry.about.population_size),
            escape(entry.about.sensitivity),
            escape(", ".join(entry.about.keywords)),
            escape(entry.about.steward.name),
        ]
        for entry in catalog.entries.values()
    ]
    card, data = _code('catalog["NAME"]'), _code('catalog["NAME"].read()')
    return (
        f"<p><b>Data catalogue</b>: {len(catalog)} data sets, profile {escape(catalog.profile)}. "
        f"A card: {card}; the data: {data}</p>{SEARCH}{_table(head, rows)}"
    )


def entry_as_html(entry) -> str:
    """A card: what the data are, whose, what to beware of, the columns, how to read them."""
    about = entry.about
    caveats = "".join(f"<li>{escape(text)}</li>" for text in entry.caveats)
    known = [
        [f"<b style='white-space:nowrap'>{name}</b>", "<br>".join(map(escape, values))]
        for name, values in facts(entry).items()
    ]
    head = ["column", "type", "what", "unit", "codes", "rules", "role"]
    fields = [
        [
            _code(field.name),
            field.type,
            escape(field.description),
            escape(field.unit or ""),
            "<br>".join(f"{_code(str(value))} {escape(label)}" for value, label in (field.codes or {}).items()),
            escape(", ".join(rules(field))),
            f"<span style='white-space:nowrap'>{field.role or ''}</span>",
        ]
        for field in entry.fields
    ]
    return (
        f"<div style='max-width:76em'><h3 style='margin-bottom:0.2em'>{escape(entry.title)}</h3>"
        f"<p>{_code(entry.name)} · {escape(about.sensitivity)} · {escape(', '.join(about.keywords))}</p>"
        f"<p>{escape(entry.description)}</p>"
        + (
            f"<p style='margin-bottom:0'><b>Beware</b></p><ul style='margin-top:0.2em'>{caveats}</ul>"
            if caveats
            else ""
        )
        + f"{_table([], known)}{_table(head, fields)}"
        + f"<p>To read it: {_code(_how_to_read(entry))}</p></div>"
    )


def catalog_as_text(catalog) -> str:
    """The same table for a terminal."""
    width = max((len(name) for name in catalog), default=0)
    kind = max((len(entry.about.sensitivity) for entry in catalog.entries.values()), default=0)
    lines = [f"Data catalogue: {len(catalog)} data sets, profile {catalog.profile}"]
    lines += [
        f"  {entry.name:<{width}}  {entry.about.sensitivity:<{kind}}  {entry.title}"
        for entry in catalog.entries.values()
    ]
    return "\n".join(lines)


def entry_as_text(entry) -> str:
    """The same card for a terminal."""
    labels = entry.labels()
    width = max(map(len, labels))
    lines = [f"{entry.name}: {entry.title}", "", entry.description, ""]
    lines += [f"Beware: {text}" for text in entry.caveats]
    lines += [f"{name}: {value}" for name, values in facts(entry).items() for value in values]
    lines += ["", *(f"  {name:<{width}}  {label}" for name, label in labels.items())]
    return "\n".join([*lines, "", f"To read it: {_how_to_read(entry)}"])


def facts(entry) -> dict[str, list[str]]:
    """What is known of the data set, in the order in which a reader asks."""
    about = entry.about
    period = about.period
    facts = {
        "May I read it?": [may_i(entry)],
        "Steward": [f"{about.steward.name}, {about.steward.email}"],
        "Licence": [about.licence],
        "Origin": [about.origin or entry.publisher],
        "Papers": [paper.citation + (f" doi:{paper.doi}" if paper.doi else "") for paper in about.papers],
        "A row is a": [about.unit_of_observation],
        "Patients": [_number(about.population_size)] if about.population_size else [],
        "Period": [f"{period.start} to {period.end or 'today'}"] if period else [],
        "Stand-in": _stand_in(about.generator),
        "Profiles": ["the same in all" if about.sensitivity == "public" else ", ".join(about.sources)],
    }
    return {name: values for name, values in facts.items() if values}


def _stand_in(generator) -> list[str]:
    """Where the stand-in's numbers come from, and whether they were fitted on real data."""
    if generator is None:
        return []
    told = [generator.source] if generator.source else []
    return told + ([f"Fitted on: {generator.fitted_on}"] if generator.fitted_on else [])


def may_i(entry) -> str:
    """Whether the data can be read as the catalogue was opened, by which right, until when; else why not."""
    about, catalog = entry.about, entry.catalog
    try:
        _ = entry.source
        permission = entry.permission()
    except PaillasseError as refusal:
        return f"no. {refusal}"
    if about.sensitivity != "pseudonymised":
        return "yes, everybody"
    if permission is None:
        return "yes, a stand-in: made up, nobody's data. The real data are read in the profile secure, with an approval"
    who = f"the project {catalog.project}, for {catalog.purpose}"
    return f"yes, {who}, until {permission.valid_until} (approval {permission.reference}); every read is recorded"


def rules(field) -> list[str]:
    """What a column's values keep to, in words."""
    limits = field.constraints
    rules = ["never missing"] if limits.required else []
    rules += ["unique"] if limits.unique else []
    if limits.minimum is not None and limits.maximum is not None:
        rules.append(f"{limits.minimum} to {limits.maximum}")
    elif limits.minimum is not None:
        rules.append(f"at least {limits.minimum}")
    elif limits.maximum is not None:
        rules.append(f"at most {limits.maximum}")
    rules += [f"one of {', '.join(map(str, limits.enum))}"] if limits.enum else []
    return rules


def _how_to_read(entry) -> str:
    needs_columns = entry.catalog.profile == "secure" and len(entry.without_identifiers()) < len(entry.fields)
    if needs_columns and entry.about.sensitivity == "pseudonymised":
        return f'entry = catalog["{entry.name}"]; entry.read(columns=entry.without_identifiers())'
    return f'catalog["{entry.name}"].read()'


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(head: list[str], rows: list[list[str]]) -> str:
    titles = "".join(f"<th style='{CELL}'>{name}</th>" for name in head)
    header = f"<thead><tr>{titles}</tr></thead>" if head else ""
    body = "".join("<tr>" + "".join(f"<td style='{CELL}'>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table style='margin:0.5em 0'>{header}<tbody>{body}</tbody></table>"
