"""What tells in a text who a patient is, or what must not leave with it: patterns, pseudonyms, secrets, paths."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from paillasse.credentials import SECRET_SIGNS, SECRET_VALUE
from paillasse.scan.containers import Text
from paillasse.scan.fingerprints import Fingerprints

# The French number of social security: sex, year, month, département, commune, number, key. A decimal fraction is none.
APART = r"[ .\-_/]?"
NIR = re.compile(
    rf"(?<![\d.])(?!\d\.\d{{14}})([1-478]){APART}(\d\d){APART}(0[1-9]|1[0-2]|[2-9]\d){APART}(\d\d|2[ABab]){APART}"
    rf"(\d{{3}}){APART}(\d{{3}})[ .\-_/]{{0,3}}(\d\d)(?![\d.]\d)"
)
NIR_WITHOUT_KEY = re.compile(
    r"(?i:\b(?:NIR|INS|s[ée]cu(?:rit[ée] sociale)?)\b)[^\d\n]{0,12}"
    r"([1-478]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{6})(?!\d)"
)
HOSPITAL_NUMBER = re.compile(
    r"\b(?:IPP|IEP|NIP|NDA|MRN|NHS(?: number)?|num[ée]ro (?:de )?(?:dossier|patient|s[ée]jour)|"
    r"medical record(?: number)?)"
    r"\b[\"']?\s*(?:n[°o]\.?)?\s*(?:[:=#]|est|is)?\s*[\"']?([A-Z]{0,3}\d{5,12})\b"
    r"|\b(?:patiente?|dossier|participante?|sujet|subject)\s*(?:n[°o]\.?|==?|:|#)?\s*((?!(?:19|20)\d\d\b)\d{4,12})\b"
    r"|(?:patient|dossier|ipp|nip|pseudo)(?:_?id)?[\"'\])]*(?:\.isin\(\s*\[|\s*[!=]=)\s*[\"']?([A-Z]{0,3}\d{4,12})\b"
    r"|\bPatient/([A-Z]{0,4}-?\d{3,12})\b|\brecord\s*(?:n[°o]\.?|#|:)?\s*(\d{5,12})\b",
    re.IGNORECASE,
)
# Patients who are named by their numbers, one after the other, to be left out or looked at.
NUMBERS_IN_A_ROW = re.compile(
    r"(?i:patiente?|dossier|doublons?|exclue?s?|retire|retir[ée]e?s?|supprim[ée]e?s?|duplicates?d?|removed?"
    r"|dropp?(?:ed)?|excluded?|\bids?)\b[^\n\d]{0,30}(?:\d{5,10}\b(?:[,;'\"] ?[\"']?| et | and )?){2,}"
    r"|(?:~[\w.\[\]\"']*\.isin|\.drop)\(\s*(?:index=|labels=)?[\[{(]\s*[\"']?\d{5,12}\b"
    r"|[\"']\d{5,12}[\"']\s*:\s*[\"'](?:19|20)\d\d-\d\d-\d\d[\"']"
)
NUMBERS_WITHOUT_A_WORD = re.compile(r"(?<![\d.])\d{6,12}(?:(?:[,;] ?| )\d{6,12}){3,}(?![\d.])")
QUOTED_NUMBER = re.compile(r"(?<![\w\"'])([\"'])(\d{6,12})\1")
DATE = (
    r"(?:\d{1,2}[/.\- ]\d{1,2}[/.\- ](?:19|20)?\d\d|(?:19|20)\d\d[/.\-]\d\d[/.\-]\d\d"
    r"|\d{1,2}(?:er)? \w{3,9}\.? (?:19|20)\d\d|[A-Z][a-z]{2,8}\.? \d{1,2},? (?:19|20)\d\d)"
)
BIRTH = re.compile(
    rf"(?:\bn[ée]+(?:\(?e\)?)? le|\bdate[ _]?(?:de|of)[ _]?(?:naissance|birth)|\bbirth[ _]?dat(?:e|um)"
    rf"|\bborn(?: on)?|\bd\.?o\.?b\b|\bddn\b|\bdat_?nais\w*|\bBDAY)"
    rf"[\"']?\W{{0,4}}\s*(?:le\s+|on\s+)?[\"']?({DATE})",
    re.IGNORECASE,
)
IN_WORDS = (
    r"(?:(?:vingt|trente|quarante|cinquante|soixante(?:[- ](?:et[- ])?(?:dix|onze|douze|treize|quatorze|quinze|seize))?"
    r"|quatre-vingts?(?:-(?:dix|onze|douze|treize|quatorze|quinze|seize))?)(?:[- ](?:et[- ])?(?:une?|deux|trois|quatre"
    r"|cinq|six|sept|huit|neuf))?|(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:-[a-z]{3,5})?)"
)
YEARS = r"[ -]?(?:ans\b(?! d['’e])|y/?o\b|years?[ -]old\b)"
AGE = rf"(?<!plus de )(?<!moins de )(?<!moins )\b(?:\d{{1,3}}|{IN_WORDS}){YEARS}"  # of one, no limit of a criterion
TITLED = r"\b(?:Mme|Mlle|Madame|Monsieur|M\.|Mr\.?|Mrs\.?|Ms\.?) [A-ZÀ-Þ][\w'-]*"
ONE = r"\b(?:[Pp]atiente?|[Hh]omme|[Ff]emme|man|woman|male|female|[Ll]e sujet)\b"
# What becomes of one person and not of the example of a prognosis ("for a woman of 60 years, the risk of relapse is").
FATE = (
    r"\b(?:d[ée]c[ée]d[ée]e?|suivie? (?:pendant )?\d+|a surv[ée]cu|survived"
    r"|(?:a|avait) (?:rechut|r[ée]cidiv)[ée]e?|hospitalis[ée]e?|admise?|exclue?"
    r"|died|relapsed|admitted|excluded)\b"
)
# A name and an age; or one person's age and what became of them.
NOTES = re.compile(
    rf"{TITLED}[^\n]{{0,80}}?(?:{AGE}|\bn[ée]e? en (?:19|20)\d\d)"
    rf"|{ONE} ?(?:[a-zà-ÿ]+ ){{0,3}}?\(?{AGE}[^\n.]{{0,120}}?{FATE}"
    rf"|{AGE} (?:{ONE})[^\n.]{{0,120}}?{FATE}"
    r"|\b(?:1[89]|[2-9]\d|1[01]\d) ans ?[(,] ?[FMH]\b(?!\.)|(?<![\w.])[FMH][ /,] ?(?:1[89]|[2-9]\d|1[01]\d) ans\b"
)
# One person whose findings follow, as in a pathologist's report or the minutes of a meeting.
ONE_AGED = re.compile(
    r"(?<!pour une )(?<!pour un )(?<!for a )(?<!for an )"
    rf"(?:{ONE},? (?:de |[âa]g[ée]e? de |aged )?{AGE}|{AGE},? (?:{ONE}))",
    re.IGNORECASE,
)
FINDINGS = re.compile(
    r"\b(?:macroscopie|microscopie|biops\w+|pr[ée]l[èe]vements?|tumorectomie|mastectomie"
    r"|lobectomie|nodule|gleason|acr ?\d"
    r"|ecog|her2|ki-?67|pd-?l1|(?:adeno|ad[ée]no)?carcinom[ea]|(?:stade|stage) (?:i{1,3}|iv)[abc]?|cbnpc|nsclc|rcp"
    r"|compte[- ]rendu|progress(?:ion|ed)|cycles?|m[ée]tasta\w+|p?t[0-4][a-d]?,? ?n[0-3x]|mm)\b",
    re.IGNORECASE,
)
FEWEST_FINDINGS = 3
AGED = re.compile(r"\b(\d{2,3})[ -]?(?:ans|y/?o|years?[ -]old)\b")
CALLED = (
    r"(?:[A-ZÀ-Þ][a-zà-ÿ]+(?:-[A-ZÀ-Þ][a-zà-ÿ]+)? [A-ZÀ-Þ][A-ZÀ-Þ'-]{2,}|[A-ZÀ-Þ][A-ZÀ-Þ'-]{2,} [A-ZÀ-Þ][a-zà-ÿ]+)"
)
# A name and a day on which its bearer can have been born; documents are of later days.
CAPITALS = re.compile("[A-ZÀ-Þ][A-ZÀ-Þ'-]{2}")  # without which there is no name and no sequence
BORN = re.compile(
    rf"{CALLED}[^\n\d]{{0,20}}(?:\d{{1,2}}[/.\- ]\d{{1,2}}[/.\- ](?:19\d\d|200\d)|(?:19\d\d|200\d)-\d\d-\d\d)\b"
)
NAMED = re.compile(
    r"^[^\w\n]*([A-ZÀ-Þ][A-ZÀ-Þ'-]{2,}) ([A-ZÀ-Þ][a-zà-ÿ]+(?:-[A-ZÀ-Þ][a-zà-ÿ]+)?)[^\w\n]*$", re.MULTILINE
)
# What trials, articles, genes and variants are called in public.
REGISTERED = r"(?:NCT|PMID|PMC|GS[EM]|SRR|ENS[A-Z]{0,4}|N[MPR]_|HGNC|COSM|ISRCTN|CHEMBL|DOI|CVE|RFC|ISO|PR|GH)"
SERIAL = re.compile(rf"\b(?!{REGISTERED})([A-Z]{{2,6}})[-_]?(\d{{5,9}})\b")  # the same letters again and again
START_OF_SERIAL = re.compile(r"[A-Z]{2}[-_]?\d{5}")  # found faster, where there is none
TELEPHONE = re.compile(
    r"(?i:t[ée]l|phone|portable|mobile|appel|joindre)[^\d\n+]{0,40}(?:\+33 ?[1-9]|0[1-9])(?:[ .-]?\d\d){4}(?!\d)"
    r"|\+33[ .]?(?:\(0\))?[1-9](?:[ .-]?\d\d){4}(?!\d)"
)
WAY = r"(?:rue|avenue|boulevard|place|chemin|impasse|all[ée]e|route)"
STREET = rf"\b\d{{1,4}},? (?:bis |ter )?{WAY}\b[^\n]{{3,60}}?\b\d{{5}}\b"
MOBILES = re.compile(r"(?<![\d.])0[67](?:[ .-]\d\d){4}(?!\d)")
HOME = re.compile(
    r"(?i:\bdomicili[ée]+|\bhabit(?:e|ant) |\bdemeurant|\blives at)[^\n]{0,60}\b\d{5}\b"
    rf"|{STREET}[^\n]{{0,40}}{TITLED}|{TITLED}[^\n]{{0,60}}{STREET}"
    r"|(?i:\bRPPS\b)\D{0,10}\d{11}\b|(?i:\bpatiente?) ?[:(] ?[\w.+-]+@[\w-]+\.\w+"
)
FEWEST_NUMBERS = 3
FEWEST_AGES = 5
MANY_FRACTIONS = 100  # points; such a text is one of measures
COUNTED_WORDS = ("seed", "graine", "popul", "count", "effectif", "total")
AGE_WORDS = ("ans", "né", "y/o", "yo", "old")
CONTACT_WORDS = (
    "+33", "tél", "tel", "phone", "portable", "mobile", "appel", "joindre", "domicili", "habit", "demeur",
    "lives at", "rpps", "patient", "rue ", "avenue ", "boulevard ", "chemin ", "impasse ", "all", "route ", "place ",
)  # fmt: skip
MAIL = re.compile(r"(?<![<\w.+-])(?<!email: )[\w.+-]+@(?!example)[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}")
SEQUENCE = re.compile(
    r"^>[^\n]*\n[ACGTUN]{40,}$|^@[^\n]*\n[ACGTN]{30,}\n\+|^PID\|[^\n]*\^|\rPID\||^BEGIN:VCARD\s"
    r"|\b[A-ZÀ-Þ]{2,}\^[A-ZÀ-Þ]{2,}\b|\b[Pp]atiente? (?:n[°o] ?)?\d+\b[^\n]{0,40}\b[cp]\.[\dA-Z]",
    re.MULTILINE,
)
SEQUENCE_MARKS = (">", "@", "PID|", "VCARD", "^", "atient")
LETTERS_OF_A_SEQUENCE = re.compile(r"\b[ACGTN]{50,}\b")
ROOTS = (
    "/home/", "/Users/", "/mnt/", "/media/", "/srv/", "/export/", "/nfs/", "/scratch/", "/secure/", "/enclave/",
    "/espace/", "/partage/", "/data", "/donnees/", "/volume", "/gpfs/", "/lustre/", "/bulle/", ":\\", "\\\\",
)  # fmt: skip
NIR_WORDS = ("nir", "ins", "sécu", "secu")
HOSPITAL_WORDS = (
    "patient", "dossier", "participant", "sujet", "subject", "pseudo", "ipp", "iep", "nip", "nda", "mrn", "nhs", "num",
    "medical", "record",
)  # fmt: skip
LISTED_WORDS = (
    "patient", "dossier", "doublon", "exclu", "retir", "supprim", "duplicat", "remov", "drop", "ids", "id ", "id:",
    ".isin", "': '", '": "',
)  # fmt: skip
BIRTH_WORDS = ("bday", "né", "nee", "ne ", "nais", "birth", "born", "dob", "d.o.b", "ddn")
BIRTH_NAMES = {
    "dob", "ddn", "dateofbirth", "birthdate", "birthday", "datedenaissance", "datenaissance", "datnais", "bendatnais",
    "naissance", "geburtsdatum", "bennaidat", "datebirth", "dtnaiss", "dtnais", "born",
}  # fmt: skip
# Where an enclave keeps data and people; not where programs are.
PATHS = re.compile(
    r"(?<![\w/.:])(?:file://)?(/(?:home|Users|mnt|media|srv|export|nfs|scratch|secure|enclave|espace|partage|data\d*|donnees|volumes?|gpfs|lustre|bulle)"
    r"/[\w.\-@+ ]+(?:/[^\s\"'<>|:,;)\]]*)?)"
    r"|\b([A-Z]:\\(?:Users|Data|Donnees|Partage)[^\s\"'<>|]*)"
    r"|(?<![\\\w])(\\\\[\w.-]+\\[\w$.-]+\\[^\s\"'<>|]*)"
)
NO_SECRET = re.compile(
    r"[=:]\s*(?:os\.|getpass|None\b|null\b|str\b|\"\"|''|\.\.\.|…|\$|<|\{|%|environ|\*{3}|settings|config\b|input\()"
)
LITERAL = re.compile(r"[=:]\s*[\"'][^\"'\s{}<>$]{4,}[\"']")
ADDRESS = re.compile(r"://[^/\s:@]*:[\w.%+!~-]{3,}@[\w.-]+")
QUOTED = re.compile(r"'([^'\n]{1,200})'|\"([^\"\n]{1,200})\"|(?<![\w.])(\d[\w.,/-]*)")
TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-./]{3,63}")
TRACEBACK = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Warning)): (.+)$", re.MULTILINE)
# Of errors that quote names, places and types, never a value of a row.
HARMLESS_ERRORS = {
    "ModuleNotFoundError", "ImportError", "NameError", "AttributeError", "SyntaxError", "IndentationError",
    "FileNotFoundError", "ZeroDivisionError", "KeyboardInterrupt", "MemoryError", "NotImplementedError",
}  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """One thing that was found in a text: its kind, how many different, never what."""

    kind: str
    count: int


def traces_in(text: Text, pseudonyms: Fingerprints, sources: str, says_where: bool) -> Iterator[Trace]:
    """What a text tells of who a patient is, kind by kind.

    Parameters
    ----------
    text
        The text.
    pseudonyms
        Fingerprints of the catalogue's own.
    sources
        What the author typed: an error that quotes it says nothing of the data.
    says_where
        Whether a path of the enclave is one too many here: in results it is, in programs it is not.
    """
    content = text.text
    if not content:
        return
    if len(content) >= 13 and (numbers := {m.group() for m in NIR.finditer(content) if is_nir(m)}):
        yield Trace("social security number", len(numbers))
    lower = content.lower()  # a word that must be there is looked for first: most texts are tables of numbers
    if any(word in lower for word in NIR_WORDS) and (found := set(NIR_WITHOUT_KEY.findall(content))):
        yield Trace("social security number", len(found))
    yield from _persons_in(text, lower)
    if any(word in lower for word in LISTED_WORDS) and (found := set(NUMBERS_IN_A_ROW.findall(content))):
        yield Trace("hospital number", len(found))
    if not text.is_code and content.count(".") < MANY_FRACTIONS and not any(word in lower for word in COUNTED_WORDS):
        rows = (re.findall(r"\d+", match[0]) for match in NUMBERS_WITHOUT_A_WORD.finditer(content))
        if count := max(map(numbers_given, rows), default=0):
            yield Trace("identifiers", count)
    if any(word in lower for word in HOSPITAL_WORDS) and (found := set(HOSPITAL_NUMBER.findall(content))):
        yield Trace("hospital number", len(found))
    if any(word in lower for word in BIRTH_WORDS) and (found := set(BIRTH.findall(content))):
        yield Trace("date of birth", len(found))
    if pseudonyms:
        found = {token for token in set(TOKEN.findall(content)) if token in pseudonyms}
        numbers = sum(token.isdigit() for token in found)  # one alone may be a count
        if count := len(found) - (numbers if numbers < 3 else 0):
            yield Trace("pseudonym", count)
    may_be_secret = any(sign in lower for sign in SECRET_SIGNS)
    if may_be_secret and any(is_secret(match, content, text.is_code) for match in SECRET_VALUE.finditer(content)):
        yield Trace("secret", 1)
    may_say_where = says_where and any(root in content for root in ROOTS)
    if may_say_where and (found := {match.group() for match in PATHS.finditer(content)}):
        yield Trace("path", len(found))
    messages = [content] if text.is_error else [match.group() for match in TRACEBACK.finditer(content)]
    if count := sum(_quotes_data(message, sources) for message in messages):
        yield Trace("error message", count)


def _persons_in(text: Text, lower: str) -> Iterator[Trace]:
    """Notes about one patient, where somebody lives, sequences and messages that are one person's."""
    content = text.text
    if any(word in lower for word in AGE_WORDS):
        if found := set(NOTES.findall(content)):
            yield Trace("note", len(found))
        yield from _aged(content)
    may_name = bool(CAPITALS.search(content))
    if may_name and (found := set(BORN.findall(content))):
        yield Trace("date of birth", len(found))
    is_quoted = text.place.output and ("'" in content or '"' in content)
    if is_quoted and (count := numbers_given([number for _, number in QUOTED_NUMBER.findall(content)])):
        yield Trace("identifiers", count)
    is_listed = may_name and text.place.output  # a person a line, as hospitals write them
    named = set(NAMED.findall(content)) if is_listed else ()
    if len(named) >= 4 and all(len(set(each)) == len(named) for each in zip(*named, strict=True)):
        yield Trace("identifiers", len(named))
    series: dict[str, set] = {}
    for letters, number in SERIAL.findall(content) if START_OF_SERIAL.search(content) else ():
        series.setdefault(letters, set()).add(number)
    if (count := max(map(len, series.values()), default=0)) >= 4:
        yield Trace("identifiers", count)
    found = set()
    if any(word in lower for word in CONTACT_WORDS):
        found = {match.group() for each in (TELEPHONE, HOME) for match in each.finditer(content)}
    is_written = content.count(".") < MANY_FRACTIONS
    if is_written and text.place.output and len(mobiles := set(MOBILES.findall(content))) >= 2:
        found |= mobiles
    if text.place.output and "@" in content:  # elsewhere, e-mail addresses are those of authors
        found |= set(MAIL.findall(content))
    if found:
        yield Trace("contact", len(found))
    if any(mark in content for mark in SEQUENCE_MARKS) and (found := SEQUENCE.findall(content)):
        yield Trace("sequence", len(found))
    if may_name and (found := LETTERS_OF_A_SEQUENCE.findall(content)):
        yield Trace("sequence", len(found))


def _aged(content: str) -> Iterator[Trace]:
    """Reports about one patient of some age; or many ages, in no order, each of somebody."""
    for match in ONE_AGED.finditer(content):
        around = content[max(match.start() - 300, 0) : match.end() + 600]
        if len({each.lower() for each in FINDINGS.findall(around)}) >= FEWEST_FINDINGS:
            yield Trace("note", 1)
            break
    ages = [int(age) for age in dict.fromkeys(AGED.findall(content)) if 18 <= int(age) < 110]
    if len(ages) >= FEWEST_AGES and sum(age % 5 == 0 for age in ages) < 0.6 * len(ages):
        turns = sum((a < b) != (b < c) for a, b, c in zip(ages, ages[1:], ages[2:], strict=False))
        if turns > len(ages) / 4:
            yield Trace("note", len(ages))


def numbers_given(texts: list[str]) -> int:
    """How many different numbers, written as texts, can have been given to patients: long ones, in no order.

    Codes of drugs begin all alike, and counts are of different lengths.

    >>> numbers_given("482917 551203 330192 774021".split()), numbers_given("926110 931045 940021 940022".split())
    (4, 0)
    """
    different = list(dict.fromkeys(text for text in texts if text.isdecimal() and 6 <= len(text) <= 12))
    if len(different) < FEWEST_NUMBERS + 1 or len({len(text) for text in different}) > 1:
        return 0
    if len({text[0] for text in different}) == 1 or different in (sorted(different), sorted(different)[::-1]):
        return 0
    return len(different)


def is_secret(match: re.Match, content: str, is_code: bool) -> bool:
    """Whether what looks like a secret is one: in a program a name is not, only a literal."""
    found = content[match.start() : match.end() + 80].split("\n")[0]
    if "://" in match.group():
        return bool(ADDRESS.search(found)) and "PASSWORD@" not in found
    if not re.match(r"(?i:password|passwd|pwd|secret|token|api_?key)", match.group()):
        return True
    return not NO_SECRET.search(found) and (not is_code or bool(LITERAL.search(found)))


def is_nir(match: re.Match) -> bool:
    """Whether the key of a French social security number fits: 97 less the remainder of the number by 97.

    >>> [is_nir(NIR.search(f"2 85 05 78 006 084 {key}")) for key in (41, 36)]
    [True, False]
    >>> NIR.search("2.85057800608441") is None
    True
    """
    number = "".join(match.groups()[:6]).upper()
    number = number.replace("2A", "19").replace("2B", "18")
    return int(match.group(7)) == 97 - int(number) % 97


def _quotes_data(message: str, sources: str) -> bool:
    """Whether an error's message quotes something that its author did not type."""
    name, _, said = message.partition(":")
    if name.rpartition(".")[2] in HARMLESS_ERRORS or name.endswith("Warning"):
        return False
    quoted = {a or b or c for a, b, c in QUOTED.findall(said)}
    return any(
        each.strip() and each.strip(" .,") not in sources and not re.fullmatch(r"\W*|\d", each) for each in quoted
    )
