"""How a catalogue and its entries show themselves, in a notebook's cell and in a terminal.

HTML with styles on the elements, because JupyterLab drops style sheets of notebooks that it does not trust; colours
are left to the theme.
"""

from html import escape

CELL = "text-align:left;vertical-align:top;padding:0.25em 1em 0.25em 0;border-bottom:1px solid rgba(128,128,128,0.25)"


def catalog_as_html(catalog) -> str:
    """A table of what exists."""
    head = ["name", "title", "observation", "patients", "sensitivity", "steward"]
    rows = [
        [
            _code(entry.name),
            escape(entry.title),
            escape(entry.about.unit_of_observation),
            _number(entry.about.population_size),
            escape(entry.about.sensitivity),
            escape(entry.about.steward.name),
        ]
        for entry in catalog.entries.values()
    ]
    card, data = _code('catalog["NAME"]'), _code('catalog["NAME"].read()')
    return (
        f"<p><b>Data catalogue</b>: {len(catalog)} data sets, profile {escape(catalog.profile)}. "
        f"A card: {card}; the data: {data}</p>{_table(head, rows)}"
    )


def entry_as_html(entry) -> str:
    """A card: what the data are, whose, what to beware of, the columns, how to read them."""
    about = entry.about
    caveats = "".join(f"<li>{escape(text)}</li>" for text in entry.caveats)
    facts = [
        [f"<b style='white-space:nowrap'>{name}</b>", "<br>".join(map(escape, values))]
        for name, values in _facts(entry).items()
    ]
    head = ["column", "type", "what", "unit", "codes", "rules", "role"]
    fields = [
        [
            _code(field.name),
            field.type,
            escape(field.description),
            escape(field.unit or ""),
            "<br>".join(f"{_code(str(value))} {escape(label)}" for value, label in (field.codes or {}).items()),
            escape(_rules(field)),
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
        + f"{_table([], facts)}{_table(head, fields)}"
        + f"<p>To read it: {_code(_how_to_read(entry))}</p></div>"
    )


def catalog_as_text(catalog) -> str:
    """The same table for a terminal."""
    width = max((len(name) for name in catalog), default=0)
    lines = [f"Data catalogue: {len(catalog)} data sets, profile {catalog.profile}"]
    lines += [f"  {entry.name:<{width}}  {entry.title}" for entry in catalog.entries.values()]
    return "\n".join(lines)


def entry_as_text(entry) -> str:
    """The same card for a terminal."""
    labels = entry.labels()
    width = max(map(len, labels))
    lines = [f"{entry.name}: {entry.title}", "", entry.description, ""]
    lines += [f"Beware: {text}" for text in entry.caveats]
    lines += [f"{name}: {value}" for name, values in _facts(entry).items() for value in values]
    lines += ["", *(f"  {name:<{width}}  {label}" for name, label in labels.items())]
    return "\n".join([*lines, "", f"To read it: {_how_to_read(entry)}"])


def _facts(entry) -> dict[str, list[str]]:
    """What is known of the data set, in the order in which a reader asks."""
    about = entry.about
    period = about.period
    facts = {
        "Steward": [f"{about.steward.name}, {about.steward.email}"],
        "Licence": [about.licence],
        "Origin": [about.origin or about.publisher],
        "Papers": [paper.citation + (f" doi:{paper.doi}" if paper.doi else "") for paper in about.papers],
        "A row is a": [about.unit_of_observation],
        "Patients": [_number(about.population_size)] if about.population_size else [],
        "Period": [f"{period.start} to {period.end or 'today'}"] if period else [],
        "Profiles": ["the same in all" if about.sensitivity == "public" else ", ".join(about.sources)],
    }
    return {name: values for name, values in facts.items() if values}


def _rules(field) -> str:
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
    return ", ".join(rules)


def _how_to_read(entry) -> str:
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
