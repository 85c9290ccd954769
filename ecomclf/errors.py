"""The exceptions that this package raises on purpose, under one base class.

A message is one line: the rule that was broken, the value, and the remedy. Any other exception is
a bug.
"""

from collections.abc import Sequence


class EcomclfError(Exception):
    """Base class of all expected errors.

    The command line prints the message on stderr and exits with `exit_code`.
    """

    exit_code = 1


class RequestError(EcomclfError):
    """The request itself is invalid; raised before anything was started."""

    exit_code = 2


class ConfigError(RequestError):
    """A config file, an override or a search space is invalid."""


class DataError(RequestError):
    """A data file cannot be read, or its rows cannot be used."""


class AmbiguousLabelError(DataError):
    """Several columns could hold the label; `candidates` are their names or positions."""

    def __init__(self, message: str, candidates: Sequence[int | str]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class StudyError(RequestError):
    """A study cannot be created or resumed as requested."""


class JobError(EcomclfError):
    """The request was valid but the job failed."""


class DownloadError(JobError):
    """The public data set could not be downloaded, or the file is not the expected one."""


class TrainingDivergedError(JobError):
    """The training loss is no longer finite."""


class SweepFailedError(JobError):
    """No trial of the sweep was completed."""


class SweepInterruptedError(EcomclfError):
    """The sweep was interrupted; finished trials are kept, and the same command resumes it."""

    exit_code = 130
