"""Text that is written as other text: letters of other widths, escapes, and bytes in 32, 64 or 85 letters.

What decodes to nothing that anybody can read is given back as it was: a hash or an identifier is such.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

THOUSANDS = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
BLANKS = str.maketrans("\u00a0\u2007\u2009\u202f", "    ", "\u00ad\u200b\u200c\u200d\u2060\ufeff")
QUOTED = re.compile(r"%[0-9A-Fa-f]{2}")
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
UUENCODED = "begin "
UUENCODED_LINES = re.compile(r"(?m)^begin [0-7]{3} .*\n((?:[!-`][ -`]*\n)+?)(?:`|\s)?\nend$")
DENSE = re.compile(r"(?<!\S)[!-~]{100,}(?!\S)")
FEWEST = 10  # escapes, from which on a text is taken to be written in them


def plain_letters(text: str) -> str:
    """A text with its digits as ASCII has them, without letters that take no room, numbers without narrow blanks.

    >>> plain_letters("\uff11\u200b\uff12\u202f345")
    '12345'
    """
    if text.isascii():
        return text
    text = THOUSANDS.sub("", text.translate({ord(letter): None for letter in "\u200b\u200c\u200d\u2060\ufeff"}))
    digits = {ord(letter): str(unicodedata.digit(letter)) for letter in set(text) if is_foreign_digit(letter)}
    return text.translate(digits | BLANKS)


def is_foreign_digit(letter: str) -> bool:
    return letter.isdecimal() and not letter.isascii()


def without_escapes(text: str) -> str:
    """A text with `%2C` and `\\u0033` replaced by the letters that they stand for, where it is full of them.

    >>> without_escapes("%3" + "%2C1" * 10)
    '%3,1,1,1,1,1,1,1,1,1,1'
    """
    if "%" in text and len(QUOTED.findall(text)) >= FEWEST:
        text = unquote(text)
    if "\\" in text and len(ESCAPED.findall(text)) >= FEWEST:
        text = ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    return text


def opened(text: str, take: Callable[[bytes], None]) -> str:
    """Give the bytes of what is written in 32 or 85 letters, or as uuencode, and return the text without it."""

    def lines(match: re.Match) -> str:
        try:
            take(b"".join(binascii.a2b_uu(line) for line in match[1].splitlines()))
        except binascii.Error:
            return match[0]
        return " "

    def dense(match: re.Match) -> str:
        tries = DECODERS if NOT_BASE64.search(match[0]) else (base64.b32decode,)
        data = next((data for decode in tries if _is_something(data := _tried(decode, match[0]))), None)
        if data is None:
            return match[0]
        take(data)
        return " "

    if UUENCODED in text:
        text = UUENCODED_LINES.sub(lines, text)
    return DENSE.sub(dense, text)


NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=_-]")
DECODERS: tuple[Callable, ...] = (
    base64.b85decode,
    lambda text: base64.a85decode(text, adobe=text.startswith("<~")),
)
KNOWN_STARTS = (
    b"\x1f\x8b", b"x\x9c", b"x\xda", b"x^", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\x80\x04\x95", b"\x80\x05\x95",
    b"\x93NUMPY", b"PAR1", b"ARROW1",
)  # fmt: skip


def _tried(decode: Callable, text: str) -> bytes:
    try:
        return decode(text)
    except (ValueError, binascii.Error):
        return b""


def _is_something(data: bytes) -> bool:
    """Whether bytes are text, or begin as a compressed or binary file does; chance gives neither."""
    return len(data) > 40 and (
        data.startswith(KNOWN_STARTS) or all(32 <= byte < 127 or byte in b"\r\n\t" for byte in data[:200])
    )
