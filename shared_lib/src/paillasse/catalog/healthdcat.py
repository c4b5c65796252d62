"""The catalogue as other catalogues harvest it: HealthDCAT-AP, the profile of the European Health Data Space, in RDF.

Only data under access control are exported. What is said of them is what the catalogue says, never where they lie: of a
secure source only its format is told. Every node has a name made from the catalogue's homepage, so that two exports of
the same catalogue are the same text.
"""

import json
from collections.abc import Iterator
from urllib.parse import quote

from paillasse.catalog.model import Dataset, Document, Field, Period, Source
from paillasse.catalog.vocabularies import (
    CATEGORIES,
    CODING_SYSTEMS,
    ORGANISATION_TYPES,
    PERSONAL_DATA,
    PURPOSES,
    THEMES,
)
from paillasse.errors import CatalogError, InputError, did_you_mean

AUTHORITY = "http://publications.europa.eu/resource/authority/"
HEALTH_AUTHORITY = "https://hdeu-dcat.data.health.europa.eu/resource/authority/"
DPV = "https://w3id.org/dpv"
EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"  # the regulation under which all is described and exported

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": f"{DPV}#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "healthdcatap": "http://healthdataportal.eu/ns/health#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}

FORMATS = {"csv": "CSV", "synthetic": "CSV", "parquet": "PARQUET", "postgres": "SQL", "duckdb": "SQL"}
DATATYPES = {"year": "gYear"}  # of CSVW, where the other types have the same name

SYNTAXES = ("turtle", "json-ld")


def export(document: Document, syntax: str = "turtle") -> tuple[str, dict[str, str]]:
    """Describe the data under access control in HealthDCAT-AP.

    Parameters
    ----------
    document
        The catalogue's file, read.
    syntax
        `turtle` or `json-ld`.

    Returns
    -------
    text, left_out
        The description; and the data sets that are not in it: name → why.

    Raises
    ------
    CatalogError
        The catalogue does not say all that the profile requires: every key that is missing.
    InputError
        No such syntax.

    Examples
    --------
    >>> from pathlib import Path
    >>> from paillasse.documents import read_document
    >>> document, _ = read_document(Path("data_catalog.yaml"), Document, CatalogError)
    >>> text, left_out = export(document)
    >>> left_out["gbsg"]
    'public data, not under access control'
    """
    if syntax not in SYNTAXES:
        raise InputError(f"syntax: expected one of {', '.join(SYNTAXES)}; got {syntax!r}")
    exported = {name: data for name, data in document.datasets.items() if data.sensitivity == "pseudonymised"}
    left_out = {
        name: f"{data.sensitivity} data, not under access control"
        for name, data in document.datasets.items()
        if name not in exported
    }
    missing = sorted(_missing(document, exported))
    if missing:
        raise CatalogError("\n".join(["The export needs what the catalogue does not say:", *missing]))
    graph = _graph(document, exported)
    return (graph.serialize(format="turtle") if syntax == "turtle" else _json_ld(graph)), left_out


# What is missing


def _missing(document: Document, exported: dict[str, Dataset]) -> Iterator[str]:
    """A line for each key that the profile requires and the catalogue lacks."""
    known = document.organisations
    if document.catalogue is None:
        yield "  catalogue: required, but not there"
    else:
        for key in ("publisher", "access_body"):
            short = getattr(document.catalogue, key)
            if short not in known:
                yield f"  catalogue.{key}: {short!r} is none of the organisations. {did_you_mean(short, known)}"
    for name, data in exported.items():
        place = f"  datasets.{name}."
        if data.publisher not in known:
            yield f"{place}publisher: expected the short name of an organisation. {did_you_mean(data.publisher, known)}"
        elif known[data.publisher].note is None:
            yield f"  organisations.{data.publisher}.note: required of who publishes data"
        if not data.keywords:
            yield f"{place}keywords: expected at least one"
        for profile in ("secure", "synthetic"):
            if profile not in data.sources:
                yield f"{place}sources.{profile}: required, but not there"
        if data.health is None:
            yield f"{place}health: required, but not there"
            continue
        for key in ("categories", "themes", "countries"):
            if not getattr(data.health, key):
                yield f"{place}health.{key}: expected at least one"
        for key in ("provenance", "bytes"):
            if getattr(data.health, key) is None:
                yield f"{place}health.{key}: required, but not there"
        if not _purposes(data):
            yield f"{place}health.purposes: required where there is no approval"


def _purposes(data: Dataset) -> list[str]:
    return data.health.purposes or (data.approval.purposes if data.approval else [])


# The graph


def _graph(document: Document, exported: dict[str, Dataset]):
    import rdflib

    graph = rdflib.Graph()
    for prefix, namespace in PREFIXES.items():
        graph.bind(prefix, namespace)
    for node, properties in _nodes(document, exported):
        for name, value in properties:
            prefix, _, local = name.partition(":")
            predicate = rdflib.URIRef(PREFIXES[prefix] + local)
            graph.add((rdflib.URIRef(node), predicate, _term(value)))
    return graph


# What a property may hold: text, the name of a node or of a concept elsewhere, or a value with its XML Schema type.
class Iri(str):
    pass


Typed = tuple[str, str]
Value = str | Iri | Typed
Node = tuple[str, list[tuple[str, Value]]]


def _term(value: Value):
    import rdflib

    match value:
        case Iri():
            return rdflib.URIRef(value)
        case (text, datatype):
            # Not normalised: rdflib would turn the year 2016 into a day of it.
            return rdflib.Literal(text, datatype=PREFIXES["xsd"] + datatype, normalize=False)
    return rdflib.Literal(value)


def _a(kind: str) -> tuple[str, Iri]:
    prefix, _, local = kind.partition(":")
    return "rdf:type", Iri(PREFIXES[prefix] + local)


def _nodes(document: Document, exported: dict[str, Dataset]) -> Iterator[Node]:
    about = document.catalogue
    base = about.homepage.rstrip("/")
    organisations = {short: Iri(f"{base}/organisation/{short}") for short in document.organisations}
    access_body = organisations[about.access_body]
    named = {about.publisher, about.access_body, *(data.publisher for data in exported.values())}
    yield (
        f"{base}/catalogue",
        [
            _a("dcat:Catalog"),
            ("dct:title", about.title),
            ("dct:description", about.description),
            ("dct:publisher", organisations[about.publisher]),
            ("dcatap:applicableLegislation", Iri(EHDS)),
            ("foaf:homepage", Iri(about.homepage)),
            *(("dcat:dataset", Iri(f"{base}/dataset/{name}")) for name in exported),
        ],
    )
    for short in sorted(named):
        yield from _organisation(organisations[short], document.organisations[short])
    for name, data in exported.items():
        access = Iri(document.organisations[about.access_body].homepage)
        yield from _dataset(Iri(f"{base}/dataset/{name}"), data, organisations[data.publisher], access_body, access)


def _organisation(node: Iri, organisation) -> Iterator[Node]:
    kind = Iri(f"{HEALTH_AUTHORITY}publisher-type/{ORGANISATION_TYPES[organisation.type]}")
    # Some catalogues read the note and the type by HealthDCAT-AP's own names, others by those of DCAT-AP.
    note = [("dct:description", organisation.note), ("healthdcatap:publisherNote", organisation.note)]
    yield (
        node,
        [
            _a("foaf:Agent"),
            ("foaf:name", organisation.name),
            ("foaf:homepage", Iri(organisation.homepage)),
            ("foaf:mbox", _mail(organisation.email)),
            ("dct:type", kind),
            ("healthdcatap:publisherType", kind),
            ("healthdcatap:trustedDataHolder", (str(organisation.trusted_data_holder).lower(), "boolean")),
            ("dcat:contactPoint", Iri(f"{node}#contact")),
            *(note if organisation.note else []),
        ],
    )
    yield from _contact(Iri(f"{node}#contact"), organisation.name, organisation.email, Iri(organisation.homepage))


def _contact(node: Iri, name: str, email: str, page: Iri) -> Iterator[Node]:
    yield (
        node,
        [_a("vcard:Kind"), ("vcard:fn", name), ("vcard:hasEmail", _mail(email)), ("vcard:hasURL", page)],
    )


def _mail(email: str) -> Iri:
    return Iri("mailto:" + quote(email, safe="@"))


def _dataset(node: Iri, data: Dataset, publisher: Iri, access_body: Iri, access: Iri) -> Iterator[Node]:
    health = data.health
    yield (
        node,
        [
            _a("dcat:Dataset"),
            ("dct:identifier", (node, "anyURI")),
            ("dct:title", data.title),
            ("dct:description", data.description),
            ("dct:accessRights", Iri(f"{AUTHORITY}access-right/NON_PUBLIC")),
            ("dct:type", Iri(f"{AUTHORITY}dataset-type/PERSONAL_DATA")),
            ("dcat:theme", Iri(f"{AUTHORITY}data-theme/HEAL")),
            ("dcatap:applicableLegislation", Iri(EHDS)),
            ("dct:publisher", publisher),
            ("healthdcatap:hdab", access_body),
            ("dcat:contactPoint", Iri(f"{node}#contact")),
            ("dct:provenance", Iri(f"{node}#provenance")),
            ("dcat:distribution", Iri(f"{node}#secure")),
            ("adms:sample", Iri(f"{node}#synthetic")),
            ("healthdcatap:hasVariables", Iri(f"{node}#variables")),
            *(("dcat:keyword", word) for word in data.keywords),
            *(("dct:spatial", Iri(f"{AUTHORITY}country/{country}")) for country in health.countries),
            *_each("healthdcatap:healthCategory", "healthcategories", CATEGORIES, health.categories),
            *_each("healthdcatap:healthTheme", "health-theme", THEMES, health.themes),
            *_each("healthdcatap:hasCodingSystem", "coding-system", CODING_SYSTEMS, health.coding_systems),
            *(("dpv:hasPurpose", Iri(DPV + PURPOSES[purpose])) for purpose in _purposes(data)),
            *(("dpv:hasLegalBasis", Iri(f"{DPV}/legal/eu/gdpr#A{_article(each)}")) for each in health.legal_basis),
            *(("dpv:hasPersonalData", Iri(f"{DPV}/pd#{PERSONAL_DATA[each]}")) for each in health.personal_data),
            *_count("healthdcatap:numberOfRecords", health.records),
            *_count("healthdcatap:numberOfUniqueIndividuals", data.population_size),
            *_ages(data.table_schema.fields),
            *([("dct:temporal", Iri(f"{node}#period"))] if data.period else []),
            *(("dct:isReferencedBy", Iri(f"https://doi.org/{quote(paper.doi)}")) for paper in data.papers if paper.doi),
        ],
    )
    yield from _contact(Iri(f"{node}#contact"), data.steward.name, data.steward.email, node)
    yield (f"{node}#provenance", [_a("dct:ProvenanceStatement"), ("rdfs:label", health.provenance)])
    if data.period:
        yield (f"{node}#period", [_a("dct:PeriodOfTime"), *_period(data.period)])
    yield from _distribution(
        Iri(f"{node}#secure"),
        data.sources["secure"],
        access,
        title=f"{data.title}: the data",
        description="Pseudonymised records, read in a secure processing environment by those who have an approval.",
        rights=f"{data.licence.rstrip('.')}. Records do not leave the secure processing environment; results do, after "
        "a check that they show nobody's data.",
        size=health.bytes,
    )
    fitted_on = [data.generator.fitted_on] if data.generator and data.generator.fitted_on else []
    yield from _distribution(
        Iri(f"{node}#synthetic"),
        data.sources["synthetic"],
        node,
        title=f"{data.title}: synthetic stand-in",
        description=" ".join(["Invented records with the same columns. No row comes from a patient.", *fitted_on]),
        rights="Open to anybody: no row comes from a patient.",
    )
    yield from _variables(node, data)


def _each(name: str, vocabulary: str, codes: dict[str, str], words: list[str]) -> list[tuple[str, Iri]]:
    return [(name, Iri(f"{HEALTH_AUTHORITY}{vocabulary}/{codes[word]}")) for word in words]


def _article(article: str) -> str:
    """`9(2)(j)` → `9-2-j`, as the Data Privacy Vocabulary writes the GDPR's articles."""
    return article.replace(")(", "-").replace("(", "-").rstrip(")")


def _count(name: str, number: int | None) -> list[tuple[str, Typed]]:
    return [] if number is None else [(name, (str(number), "nonNegativeInteger"))]


def _ages(fields: list[Field]) -> list[tuple[str, Typed]]:
    """The youngest and the oldest that the column `age` may hold, in years."""
    for field in fields:
        if field.name == "age" and field.unit == "years" and field.type in ("integer", "number"):
            lowest, highest = field.constraints.minimum, field.constraints.maximum
            return [
                *_count("healthdcatap:minTypicalAge", None if lowest is None else max(0, int(lowest))),
                *_count("healthdcatap:maxTypicalAge", None if highest is None else max(0, int(highest))),
            ]
    return []


def _period(period: Period) -> list[tuple[str, Typed]]:
    bounds = {"dcat:startDate": period.start, "dcat:endDate": period.end}
    return [
        (name, (f"{when:04d}", "gYear") if isinstance(when, int) else (when.isoformat(), "date"))
        for name, when in bounds.items()
        if when is not None
    ]


def _distribution(node: Iri, source: Source, access: Iri, title: str, description: str, rights: str, size=None):
    yield (
        node,
        [
            _a("dcat:Distribution"),
            ("dct:title", title),
            ("dct:description", description),
            ("dcat:accessURL", access),
            ("dct:format", Iri(f"{AUTHORITY}file-type/{FORMATS[source.driver]}")),
            ("dcatap:applicableLegislation", Iri(EHDS)),
            ("dct:rights", Iri(f"{node}-rights")),
            *_count("dcat:byteSize", size),
        ],
    )
    yield (f"{node}-rights", [_a("dct:RightsStatement"), ("rdfs:label", rights)])


def _variables(node: Iri, data: Dataset) -> Iterator[Node]:
    """The columns as a table group of CSV on the Web."""
    columns = {field.name: Iri(f"{node}#column-{quote(field.name, safe='')}") for field in data.table_schema.fields}
    yield (f"{node}#variables", [_a("csvw:TableGroup"), ("csvw:table", Iri(f"{node}#table"))])
    yield (
        f"{node}#table",
        [
            _a("csvw:Table"),
            ("dct:title", data.title),
            *(("csvw:column", column) for column in columns.values()),
        ],
    )
    for field in data.table_schema.fields:
        yield (
            columns[field.name],
            [
                _a("csvw:Column"),
                ("csvw:name", field.name),
                ("csvw:titles", field.name),
                ("dct:description", _described(field)),
                ("csvw:datatype", DATATYPES.get(field.type, field.type)),
                ("csvw:required", (str(field.constraints.required).lower(), "boolean")),
            ],
        )


def _described(field: Field) -> str:
    """What the column holds, with its unit and its codes."""
    text = field.description + (f" ({field.unit})" if field.unit else "")
    if field.codes:
        text += ": " + ", ".join(f"{code} = {label}" for code, label in field.codes.items())
    return text


def _json_ld(graph) -> str:
    """rdflib writes what a node has in any order; here it is sorted."""
    document = json.loads(graph.serialize(format="json-ld", context=PREFIXES, auto_compact=False))
    return json.dumps(_sorted(document), ensure_ascii=False, indent=2) + "\n"


def _sorted(value):
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list():
            return sorted(map(_sorted, value), key=lambda each: json.dumps(each, sort_keys=True))
    return value
