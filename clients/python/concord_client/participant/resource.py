"""What the owner of a participant writes: three functions over the database that also holds the log."""

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Literal, Protocol


@dataclass(frozen=True)
class Vote:
    value: Literal["commit", "abort", "read-only"]
    #: For `abort`: why, for people.
    reason: str = ""


COMMIT = Vote("commit")
#: Nothing was changed, and the outcome does not matter here.
READ_ONLY = Vote("read-only")


def abort(reason: str) -> Vote:
    return Vote("abort", reason)


class Resource(Protocol):
    """
    Each function runs within a transaction of SQLite that also writes the log, and does not end it. So what it writes is there exactly if the
    log says so, and each is called once for a transaction, except that one which raised is called again.
    """

    def prepare(self, db: Connection, transaction_id: str, payload: bytes) -> Vote:
        """Holds what the work needs against everybody else. What it wrote is undone unless it returns COMMIT. To refuse, it
        returns `abort(reason)`, whose reason reaches the client; to raise is to abort, too, and what was raised stays in the participant's log."""

    def commit(self, db: Connection, transaction_id: str, payload: bytes) -> None:
        """Does what was promised. It must succeed in the end: if it raises, it is called again, for ever."""

    def abort(self, db: Connection, transaction_id: str, payload: bytes) -> None:
        """Lets go of what `prepare` holds. Called only where it has returned COMMIT."""
