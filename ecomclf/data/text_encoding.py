"""Detect the encoding of a text file."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ecomclf.errors import DataError

_BLOCK = 2**18
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF8: "utf-8",
}
# The letters beyond ASCII of the languages that are written in each code page.
_ALPHABETS = {
    "cp1252": (
        *("àâæçéèêëîïôœùûüÿ", "äöüß", "áéíóúüñªº", "áâãàçéêíóôõúü", "àèéìòù", "åäö", "æøåé"),
        *("áéíóúýþæöð", "éëïóöü", "àéèíïóòúüç"),
    ),
    "cp1250": (
        *("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "âîăşţ", "čćđšž"),
    ),
    "cp1254": ("çğıöşüâîû",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}
_OTHERS = (
    *("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949"),
)
# Bytes of lines with non-ASCII characters that are enough to tell.
_ENOUGH = 200_000
# Two code pages whose disorder, by charset-normalizer, differs by less cannot be told apart.
_NEAR = 0.03
# Letters of a Latin code page that must be in the alphabet of one of its languages.
_LEAST_COVERAGE = 0.8
_LETTERS_OF_HEBREW = 60
_KEY = "data.encoding, or --encoding of `classify`"
_APOSTROPHES = "’‘´`"


@dataclass(frozen=True)
class TextEncoding:
    """How the bytes of a file become text.

    Attributes:
        codec: name of the Python codec, without byte-order mark, such as `utf-8` or `cp1252`.
        mark: whether the file begins with a byte-order mark.
        origin: `byte-order mark`, `detected` or `given`.

    Example:
        >>> str(TextEncoding("cp1252", mark=False, origin="detected"))
        'cp1252 (detected)'

    """

    codec: str
    mark: bool = False
    origin: str = "detected"

    def __str__(self) -> str:
        name = self.codec.upper() if self.codec.startswith("utf") else self.codec
        return name if name == "UTF-8" and not self.mark else f"{name} ({self.origin})"

    @property
    def is_unicode(self) -> bool:
        """Return whether it can encode every text."""
        return self.codec.startswith(("utf", "gb18030"))


def given_encoding(name: str, stream: BinaryIO) -> TextEncoding:
    """Return the encoding of this name; a byte-order mark in the file overrides it."""
    marked = _by_mark(stream.read(4))
    codec = codecs.lookup(name).name.removesuffix("-sig").removesuffix("_sig")
    # Without a mark, the order of bytes is that of most machines.
    codec = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(codec, codec)
    return marked or TextEncoding(codec, origin="given")


def detect_encoding(stream: BinaryIO, source: str) -> TextEncoding:
    r"""Detect the encoding of a text file from all of its bytes.

    A byte-order mark decides. Without one it is UTF-8 if the whole file is valid UTF-8, or if
    characters of several bytes outnumber broken ones. Otherwise charset-normalizer ranks other
    encodings by the lines with non-ASCII bytes, and the alphabets of their languages decide between
    code pages with Latin letters.

    Args:
        stream: the file, at its beginning; read to its end.
        source: its name in errors.

    Raises:
        DataError: several encodings fit, and give different texts.

    Example:
        >>> import io
        >>> stream = io.BytesIO("label,text\nA,größer als erwartet\n".encode("cp1252"))
        >>> detect_encoding(stream, "reviews.csv").codec
        'cp1252'

    """
    head = stream.read(_BLOCK)
    known = _by_mark(head) or _utf16_by_zeros(head)
    if known:
        return known
    valid = broken = size = 0
    lines: list[bytes] = []
    for block in _line_blocks(head, stream):
        try:
            block.decode()
        except UnicodeDecodeError:
            text = block.decode(errors="surrogateescape")
            escaped = sum("\udc80" <= character <= "\udcff" for character in text)
            broken += escaped
            valid += sum(character > "\x7f" for character in text) - escaped
            found = [line for line in block.splitlines(keepends=True) if not line.isascii()]
            lines += found
            size += sum(map(len, found))
            if size > _ENOUGH and broken > valid:
                break
        else:
            # A file is rarely UTF-8 by chance, so one such line is enough.
            valid += not block.isascii()
    if broken <= valid:
        return TextEncoding("utf-8")
    if b"\0" in head:
        raise DataError(f"{source} is a binary file of an unknown format; export its table as CSV")
    return TextEncoding(_code_page(b"".join(lines)[:_ENOUGH], source))


def _by_mark(head: bytes) -> TextEncoding | None:
    for mark, codec in _MARKS.items():
        if head.startswith(mark):
            return TextEncoding(codec, mark=True, origin="byte-order mark")
    return None


def _utf16_by_zeros(head: bytes) -> TextEncoding | None:
    """Recognise UTF-16 of mostly ASCII text, half of whose bytes are zero."""
    half = len(head) // 2
    for codec, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if half and zeros.count(0) > 0.4 * half and head.count(0) < 1.2 * zeros.count(0):
            return TextEncoding(codec)
    return None


def _line_blocks(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Yield the file in blocks of whole lines."""
    block = head
    while block:
        yield block + stream.readline()
        block = stream.read(_BLOCK)


def _code_page(sample: bytes, source: str) -> str:
    """Return the encoding, other than UTF-8, of lines with non-ASCII characters."""
    from charset_normalizer import from_bytes

    matches = list(from_bytes(sample, cp_isolation=[*_ALPHABETS, *_OTHERS]))
    disorder = {match.encoding: match.chaos for match in matches}
    if not disorder:
        raise DataError(
            f"{source} is not UTF-8, and its encoding cannot be detected; name it with {_KEY}"
        )
    least = min(disorder.values())
    near = [codec for codec, value in disorder.items() if value <= least + _NEAR]
    latin = _latin_code_page(sample) if set(near) & set(_ALPHABETS) else None
    if latin:
        return latin
    if "cp1255" in near and _is_hebrew(sample):
        return "cp1255"
    others = [codec for codec in near if codec in _OTHERS]
    texts = {sample.decode(codec, errors="replace") for codec in others}
    if len(texts) == 1:
        return others[0]
    sample = max(sample.splitlines(), key=len)[:200]
    shown = ", ".join(
        f"{codec}: {sample.decode(codec, errors='replace').strip()[:40]!r}" for codec in near[:3]
    )
    raise DataError(
        f"{source} is not UTF-8, and there is too little text to detect its encoding; name it with "
        f"{_KEY} ({shown})"
    )


def _is_hebrew(sample: bytes) -> bool:
    """Return whether all letters are among the 27 of cp1255.

    In Russian, which charset-normalizer finds as likely, other letters and capitals would occur.
    """
    letters = [byte for byte in sample if byte >= 0xC0]
    return len(letters) >= _LETTERS_OF_HEBREW and all(0xE0 <= byte <= 0xFA for byte in letters)


def _latin_code_page(sample: bytes) -> str | None:
    """Return the code page whose letters fit one of its languages best; None if none fits."""
    for mixed in (False, True):
        coverage = {codec: _coverage(sample, codec, mixed=mixed) for codec in _ALPHABETS}
        best = max(coverage, key=lambda codec: coverage[codec])
        if coverage[best] >= _LEAST_COVERAGE:
            return best
    return None


def _coverage(sample: bytes, codec: str, *, mixed: bool) -> float:
    """Return the fraction of non-ASCII letters that the best-fitting language of a page has.

    With `mixed` it is the fraction that any of its languages has.

    Any character between two letters counts as one, such as the "³" that a Polish "ł" becomes.
    """
    text = sample.decode(codec, errors="replace").lower().replace("i̇", "i")
    padded = f" {text} "
    letters = [
        character
        for before, character, after in zip(padded, text, padded[2:], strict=False)
        if character > "\x7f"
        and (character.isalpha() or (before.isalpha() and after.isalpha()))
        and character not in _APOSTROPHES
    ]
    if not letters:
        return 1.0
    alphabets = ["".join(_ALPHABETS[codec])] if mixed else _ALPHABETS[codec]
    return max(sum(each in alphabet for each in letters) for alphabet in alphabets) / len(letters)
