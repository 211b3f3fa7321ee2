"""Every error batchrun raises on purpose, and the exit code each one becomes.

BatchrunError                     a problem the user can act on; shown without a traceback
├── UsageError              2     the command line or a call's arguments are off
├── SpecError              65     the job spec is wrong; carries every problem found in one pass
├── DataError              65     a row, or a file of rows, is wrong
├── WrongRows              65     several rows are wrong; carries every problem found in one pass
├── MissingInput           66     an input file is not there
├── NeedsPerson             4     held, over budget, billing: someone has to decide
├── CannotCreate           73     an output cannot be created
├── DiskError              74     reading or writing failed, the disk is full
├── NotFinished            75     run again later
│   └── Locked             75     another process is working on the job
├── ConfigError            78     configuration, or state that this version cannot read
│   ├── BadConfig          78     batchrun.toml or a variable is wrong; carries every problem
│   └── NameTaken          78     the spec's job is another spec's, or the spec was another job before
├── Interrupted   129/130/143     a signal; state is saved
└── ApiError                      the API, or the way to it; status, type, error_code, request_id
    ├── ConnectionFailed   69     no answer
    ├── ServerError        69     5xx, 529, 408
    ├── RateLimited        69     429
    ├── BadResponse        69     an answer that is not what the API documents
    ├── IncompleteResults  69     a results stream that does not prove complete
    ├── WaitTimeout        75     wait_for_completion ran out of time; the batch is untouched
    ├── BadRequest         65     400, 422: the request is wrong
    ├── TooLarge           65     413
    ├── NotFound           66     404
    ├── Conflict           69     409
    ├── KeyRefused         77     401, 403
    └── BillingStopped      4     402, and every spend limit whatever its status
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The contract with make and cron; see the README's table."""

    OK = 0
    BUG = 1
    USAGE = 2
    ROWS_FAILED = 3
    NEEDS_PERSON = 4
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    CANNOT_CREATE = 73
    IO = 74
    NOT_FINISHED = 75
    KEY_REFUSED = 77
    CONFIG = 78
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, where (`file:line:col`, or a row), and what to do next."""

    message: str
    where: str = ""
    hint: str = ""
    field: str = ""

    @property
    def text(self) -> str:
        """What is wrong, and of which field."""
        return f"{self.field}: {self.message}" if self.field else self.message


class BatchrunError(Exception):
    """A problem the user can act on: shown without a traceback."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.where, self.hint = where, hint
        self.note = ""
        """What went on all the same, for people."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What to show, one entry a problem."""
        return (Problem(str(self), self.where, self.hint),)


class _Several(BatchrunError):
    """`problems` holds everything that one pass found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(p.text for p in problems))
        self._problems = tuple(problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self._problems


class UsageError(BatchrunError):
    exit_code = ExitCode.USAGE


class SpecError(_Several):
    """The spec is wrong."""

    exit_code = ExitCode.DATA


class MissingTexts(SpecError):
    """Nothing is wrong with the spec, but that texts it names are not there."""


class DataError(BatchrunError):
    exit_code = ExitCode.DATA


class WrongRows(_Several):
    """Rows are wrong: all of them that one pass found, up to a bound."""

    exit_code = ExitCode.DATA


class MissingInput(BatchrunError):
    exit_code = ExitCode.NO_INPUT


class NeedsPerson(BatchrunError):
    exit_code = ExitCode.NEEDS_PERSON


class CannotCreate(BatchrunError):
    exit_code = ExitCode.CANNOT_CREATE


class DiskError(BatchrunError):
    exit_code = ExitCode.IO


class NotFinished(BatchrunError):
    exit_code = ExitCode.NOT_FINISHED


class Locked(NotFinished):
    pass


class ConfigError(BatchrunError):
    exit_code = ExitCode.CONFIG


class BadConfig(_Several, ConfigError):
    """The operator's configuration is wrong."""


class NameTaken(ConfigError):
    """`job` is the one that the spec was before; `other` the spec whose job it is, which is still there."""

    def __init__(self, message: str, *, hint: str = "", job: str = "", other: str = "") -> None:
        super().__init__(message, hint=hint)
        self.job, self.other = job, other


class Interrupted(BatchrunError):
    """A signal asked us to leave. `signal` is its number; the exit code is 128 + that."""

    exit_code = ExitCode.SIGINT

    def __init__(self, message: str, *, signal: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.signal = signal


class ApiError(BatchrunError):
    """An answer of the API that is not a success, or no answer at all (`status` 0).

    `type` and `error_code` are the API's own words (api-facts §3.4), `request_id` is what its
    support asks for, `retry_after` is in seconds, None where the server named no time. `transient`
    says that the same reading call may well succeed later.
    """

    exit_code = ExitCode.UNAVAILABLE
    transient: bool = False

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        type: str = "",
        error_code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.type, self.error_code = status, type, error_code
        self.request_id, self.retry_after = request_id, retry_after


class ConnectionFailed(ApiError):
    """No answer. `sent` is False only where no byte of the request can have reached the server."""

    def __init__(self, message: str, *, sent: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class ServerError(ApiError):
    pass


class RateLimited(ApiError):
    pass


class Conflict(ApiError):
    pass


class BadResponse(ApiError):
    pass


class IncompleteResults(ApiError):
    transient = True


class WaitTimeout(ApiError):
    exit_code = ExitCode.NOT_FINISHED


class BadRequest(ApiError):
    exit_code = ExitCode.DATA


class TooLarge(ApiError):
    exit_code = ExitCode.DATA


class NotFound(ApiError):
    exit_code = ExitCode.NO_INPUT


class KeyRefused(ApiError):
    exit_code = ExitCode.KEY_REFUSED


class BillingStopped(ApiError):
    exit_code = ExitCode.NEEDS_PERSON
