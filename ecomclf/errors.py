"""What can go wrong, one base class.

A message is one line: what was wrong, the value, the remedy.
"""


class EcomclfError(Exception):
    """An expected error; the command line prints its message and exits with `exit_code`."""

    exit_code = 1


class RequestError(EcomclfError):
    """What was asked for cannot be done as asked; found before anything was started."""

    exit_code = 2


class ConfigError(RequestError):
    """A config file, an override or a search space is wrong."""


class DataError(RequestError):
    """A data file, or what is in it, cannot be used."""


class StudyError(RequestError):
    """A study cannot be continued as asked."""


class JobError(EcomclfError):
    """The request was right and the work failed."""


class DownloadError(JobError):
    """The public data set could not be downloaded, or something else arrived."""


class TrainingDivergedError(JobError):
    """The loss stopped being a number."""


class SweepFailedError(JobError):
    """No trial of the sweep was completed."""


class SweepInterruptedError(EcomclfError):
    """The user or the system asked the sweep to stop; what is finished is kept."""

    exit_code = 130
