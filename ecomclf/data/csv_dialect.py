"""Detect separator, quote, escape and line end of a CSV file."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from ecomclf.errors import DataError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
# Rows that are parsed with each candidate.
_ROWS = 2_000
# A candidate must parse as much more of the file to be preferred to a more usual one.
_CLEARLY = 0.02
# A candidate that parses less than this, most separators before a space, is found in prose.
_PROSE = 0.5
# In fewer lines a quote that is not closed is a mistake, and not a habit of the file.
_FEWEST_LINES = 20
# A first line of Excel, which names the separator.
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?")


@dataclass(frozen=True)
class CsvDialect:
    r"""How cells and rows of a CSV file are separated and quoted.

    Attributes:
        separator: between cells.
        quote: around cells that contain separators, quotes or line ends; "" if none are quoted, so
            that a quote is a character as any other.
        escape: before a quote within a quoted cell; None if it is doubled instead.
        line_end: `\n` (which includes `\r\n`) or `\r`.
        detected: names of the properties that were detected, not given.

    """

    separator: str = ","
    quote: str = '"'
    escape: str | None = None
    line_end: str = "\n"
    detected: tuple[str, ...] = ("separator", "quote")

    def __str__(self) -> str:
        separator = f"separated by {self.separators}"
        if "separator" in self.detected:
            separator += " (detected)"
        if self.quote == '"' and self.escape is None:
            return separator
        if not self.quote:
            return f"{separator}, not quoted{' (detected)' if 'quote' in self.detected else ''}"
        escape = "" if self.escape is None else f", escaped by {self.escape}"
        origin = " (detected)" if "quote" in self.detected else ""
        return f"{separator}, quoted by {self.quote}{escape}{origin}"

    @property
    def separators(self) -> str:
        """Return the separators in words."""
        name = SEPARATORS.get(self.separator)
        return f"{name}s" if name else repr(self.separator)

    def reader(self, lines: Iterator[str], *, strict: bool = True) -> Iterator[list[str]]:
        """Return a `csv.reader` of this dialect."""
        return csv.reader(
            lines,
            delimiter=self.separator,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            doublequote=self.escape is None,
            escapechar=self.escape,
            strict=strict,
        )

    def cell(self, text: str) -> str:
        r"""Return a cell as the file holds it, quoted where necessary.

        >>> CsvDialect().cell('5" pipe'), CsvDialect(separator=";").cell("a;b")
        ('"5"" pipe"', '"a;b"')

        """
        if not {*text} & {self.separator, self.quote, "\r", "\n", self.escape}:
            return text
        if not self.quote:
            return re.sub(rf"[{re.escape(self.separator)}\r\n]", " ", text)
        if self.escape is None:
            return f"{self.quote}{text.replace(self.quote, 2 * self.quote)}{self.quote}"
        escaped = text.replace(self.escape, 2 * self.escape)
        return f"{self.quote}{escaped.replace(self.quote, self.escape + self.quote)}{self.quote}"


def separator_line(block: str) -> str:
    r"""Return the first line if it only names the separator, as Excel writes it; else "".

    >>> separator_line("sep=;\r\nlabel;text")
    'sep=;\r\n'
    """
    found = _SEPARATOR_LINE.match(block)
    return found[0] if found and (found[0][-1] == "\n" or found[0] == block) else ""


def detect_dialect(
    block: str,
    source: str,
    *,
    separator: str | None = None,
    quote: str | None = None,
    names: Sequence[str] = (),
) -> CsvDialect:
    r"""Detect the dialect of a CSV file from its first rows.

    Each candidate parses the block; the one with the most rows of one width, which is 2 or more,
    is taken. Prose contains commas too, but mostly before a space. Without any separator, or with
    none in the first row and prose below it, it is a file with one column.

    Args:
        block: the beginning of the file.
        source: its name in errors.
        separator: given, so not detected.
        quote: given, so not detected.
        names: columns that the first row must name; other separators are ruled out.

    Raises:
        DataError: two separators fit equally well.

    Example:
        >>> detect_dialect("label;text\nA;red, soft\nB;blue, hard\n", "shoes.csv").separator
        ';'

    """
    named = separator_line(block)
    if named:
        separator, block = separator or named[4], block[len(named) :]
    line_end = "\r" if "\r" in block and "\n" not in block else "\n"
    lines = [line + line_end for line in block.split(line_end)]
    # The last line may be incomplete, or empty.
    lines = (lines[:-1] or lines)[:_ROWS]
    detected = tuple(name for name, given in _given(separator, quote) if given is None)
    usual = CsvDialect(separator or ",", '"' if quote is None else quote, None, line_end, detected)
    separators = [separator] if separator else _possible_separators(lines, usual, names)
    best = {each: _best(lines, replace(usual, separator=each), quote) for each in separators}
    (fit, dialect), *others = sorted(best.values(), key=lambda pair: -pair[0]) or [(0.0, usual)]
    if separator is None and separators and fit < _PROSE and not {*SEPARATORS} & {*lines[0]}:
        # One column, whose texts contain separators; one that does not occur leaves them whole.
        unused = [each for each in "\t|;" if not any(each in line for line in lines)]
        return _best(lines, replace(usual, separator=unused[0] if unused else ","), quote)[1]
    if fit <= 0 and separator is None:
        # One column, or none that fits; a quote can be detected all the same.
        return _best(lines, usual, quote)[1]
    equal = [other.separator for value, other in others if value >= fit > 0]
    if equal:
        kinds = " or ".join(f"{SEPARATORS[each]}s" for each in (dialect.separator, *equal))
        raise DataError(
            f"{source} may be separated by {kinds}; name the separator with data.separator, or "
            "--separator of `classify`"
        )
    return dialect


def _given(separator: str | None, quote: str | None) -> Iterator[tuple[str, str | None]]:
    yield "separator", separator
    yield "quote", quote


def _possible_separators(
    lines: Sequence[str], usual: CsvDialect, names: Sequence[str]
) -> list[str]:
    """Return the separators that occur, if possible those with `names` in the first row."""
    occurring = [each for each in SEPARATORS if any(each in line for line in lines)]

    def has_names(separator: str) -> bool:
        try:
            first = next(replace(usual, separator=separator).reader(iter(lines)))
        except (csv.Error, StopIteration):
            return False
        return {*names} <= {cell.strip() for cell in first}

    return [each for each in occurring if has_names(each)] or occurring


def _best(lines: list[str], usual: CsvDialect, quote: str | None) -> tuple[float, CsvDialect]:
    """Return the quote and escape that fit a separator best, and how well, from 0 to 1."""
    fit, best = _fit(lines, usual), usual
    text = "".join(lines)
    quotes = ['"', "'"] if quote is None else [quote] if quote else []
    for each, escape in product(quotes, [None, "\\"]):
        dialect = replace(usual, quote=each, escape=escape)
        # Without a quote at the edge of a cell, or an escaped one, nothing can change.
        seen = f"{usual.separator}{each}" in text or f"\n{each}" in text
        if dialect == usual or not seen or (escape and f"{escape}{each}" not in text):
            continue
        value = _fit(lines, dialect)
        if value > fit + _CLEARLY:
            fit, best = value, dialect
    unquoted = replace(usual, quote="")
    if quote is None and len(lines) >= _FEWEST_LINES and _mostly_unclosed(text, usual):
        value = _fit(lines, unquoted)
        if value > fit:
            fit, best = value, unquoted
    return fit, best


def _mostly_unclosed(text: str, dialect: CsvDialect) -> bool:
    """Return whether most of the quotes that begin a cell do not end one."""
    separator = re.escape(dialect.separator)
    opened = len(re.findall(rf'(?:^|{separator})"', text, re.MULTILINE))
    closed = len(
        re.findall(rf'(?:^|{separator})"(?:[^"]|"")*"(?={separator}|\r?$)', text, re.MULTILINE)
    )
    return opened > max(2, 2 * closed)


def _fit(lines: list[str], dialect: CsvDialect) -> float:
    """Return the fraction of lines in rows of the most frequent width, 0 if that is 1.

    It is lowered by the fraction of separators that a space follows, as it does in prose.
    """
    rows: list[tuple[int, int]] = []
    spaces = cells = at = 0
    while at < len(lines):
        # Rows have no more lines than cells of a shop have; a quote that is never closed ends.
        reader = dialect.reader(iter(lines[at:]))
        begun = 0
        try:
            for row in reader:
                end = reader.line_num  # type: ignore[attr-defined]
                rows.append((len(row), end - begun))
                spaces += sum(cell.startswith(" ") for cell in row[1:])
                cells += len(row) - 1
                begun = end
            break
        except csv.Error:
            rows.append((0, 1))
            at += begun + 1
            if len([1 for width, _ in rows if not width]) > len(lines) // 10:
                break
    counts: Counter[int] = Counter()
    for width, count in rows:
        counts[width] += count
    width, count = max(
        ((width, count) for width, count in counts.items() if width > 1),
        key=lambda pair: pair[1],
        default=(1, 0),
    )
    blank = sum(not line.strip() for line in lines)
    fit = count / max(1, len(lines) - min(blank, counts[0]))
    return fit * (1 - 0.5 * spaces / max(1, cells))
