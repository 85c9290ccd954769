"""`DataReport`: what was read, kept and dropped, and what looks wrong."""

from dataclasses import asdict, dataclass, field
from itertools import islice

from ecomclf.data.class_names import MOST_LISTED, join_names, list_names, shorten_name
from ecomclf.data.similar_labels import describe_missing, describe_similar


@dataclass(frozen=True)
class DataReport:
    """What the loader read, kept and dropped: `rows_read == rows_kept + sum(dropped.values())`.

    All values describe `source`, except those that begin with `test_`, which describe the file of
    test rows.

    Attributes:
        source: path of the file, or a name for several files, the sample or a DataFrame.
        sha256: hash of the file, or of the CSV that the DataFrame would be written to.
        header: column names; None for a file without a header.
        rows_read: rows, without the header and blank lines.
        rows_kept: rows that are left to split.
        dropped: number of rows dropped for each reason.
        texts_with_two_labels: texts whose rows have more than one label.
        rows_a_class: rows kept for each class, the largest class first.
        word_percentiles: 5th to 100th percentile of the number of words in the kept texts.
        groups: number of near-duplicate groups.
        largest_group: rows in the largest of them.
        fingerprint: sha256 over the kept texts and labels, test rows included.
        protocol: `groups` or `random_rows`, see `DataConfig.split`.
        merged_labels: rows with a text of each label such as `1.0` that became `1`, see
            `plan_labels`.
        renamed_labels: rows with a text of each label that `data.rename_labels` renamed.
        similar_labels: groups of class names that look alike, see `find_similar_labels`.
        suspicious_labels: rows of each class that looks like a missing label.
        read_as: format, encoding and dialect of the file, and which of them were detected; "" for
            the sample and a DataFrame.
        scripts: fraction of the letters of the kept texts in each script, see `find_scripts`.

    """

    source: str
    sha256: str
    header: tuple[str, ...] | None
    rows_read: int
    rows_kept: int
    dropped: dict[str, int]
    texts_with_two_labels: int
    rows_a_class: dict[str, int]
    word_percentiles: dict[str, int]
    groups: int
    largest_group: int
    fingerprint: str
    protocol: str = "groups"
    test_source: str | None = None
    test_sha256: str | None = None
    test_rows_read: int = 0
    test_rows_kept: int = 0
    merged_labels: dict[str, int] = field(default_factory=dict)
    renamed_labels: dict[str, int] = field(default_factory=dict)
    similar_labels: list[list[str]] = field(default_factory=list)
    suspicious_labels: dict[str, int] = field(default_factory=dict)
    read_as: str = ""
    scripts: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the values as JSON types; those of the test file only if there is one."""
        has_test = self.test_source is not None
        values = asdict(self).items()
        return {key: value for key, value in values if has_test or not key.startswith("test_")}

    def as_text(self) -> str:
        """Return the report as lines to print; of many classes only the largest."""
        header = "none" if self.header is None else list_names(self.header)
        dropped = ", ".join(f"{count:,} {why}" for why, count in self.dropped.items() if count)
        words = ", ".join(f"{count:,} ({at})" for at, count in self.word_percentiles.items())
        scripts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.scripts.items())
        among = f"in {self.groups:,} near-duplicate groups, the largest {self.largest_group:,}"
        if self.protocol == "random_rows":
            among = "including duplicates and conflicting labels"
        lines = [
            f"data         {self.source}",
            *([f"read as      {self.read_as}"] if self.read_as else []),
            f"sha256       {self.sha256}",
            f"header       {header}",
            f"rows read    {self.rows_read:,}",
            f"dropped      {dropped or 'none'}",
            f"conflicts    {self.texts_with_two_labels:,} texts with more than one label",
            f"rows kept    {self.rows_kept:,} {among}",
            *self._test_lines(),
            f"words/text   {words}",
            f"scripts      {scripts or 'no letters'}",
            *self._class_lines(),
            *(f"labels       {line}" for line in self._label_lines()),
            f"fingerprint  {self.fingerprint}",
        ]
        return "\n".join(lines)

    def _class_lines(self) -> list[str]:
        listed = islice(self.rows_a_class.items(), MOST_LISTED)
        lines = [f"class        {shorten_name(name)}: {count:,}" for name, count in listed]
        left_out = len(self.rows_a_class) - len(lines)
        return [*lines, f"class        and {left_out:,} more classes"] if left_out else lines

    def _label_lines(self) -> list[str]:
        """Return what was changed in the labels, and which look wrong."""
        lines = []
        for counts, change in (
            (self.merged_labels, "counted as whole numbers"),
            (self.renamed_labels, "renamed"),
        ):
            if counts:
                rows = sum(counts.values())
                kind = "row" if rows == 1 else "rows"
                lines.append(f"{change} in {rows:,} {kind}: {join_names(counts)}")
        lines += describe_similar(self.similar_labels[:MOST_LISTED])
        left_out = len(self.similar_labels) - MOST_LISTED
        if left_out > 0:
            lines.append(f"and {left_out:,} more groups of names that look alike")
        if self.suspicious_labels:
            lines.append(describe_missing(self.suspicious_labels))
        return lines

    def _test_lines(self) -> list[str]:
        if self.test_source is None:
            return []
        return [
            f"test file    {self.test_source}",
            f"test sha256  {self.test_sha256}",
            f"test rows    {self.test_rows_read:,} read, {self.test_rows_kept:,} kept",
        ]
