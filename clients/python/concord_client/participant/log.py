"""What this participant has promised and how it ended, in the database of its resource."""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["prepared", "committed", "aborted", "refused", "read-only"]

#: Outcomes are kept at least so long.
KEPT_SECONDS = 30 * 24 * 3600

SCHEMA = """
CREATE TABLE IF NOT EXISTS concord_participant (participant_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS concord_claims (coordinator_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS concord_transactions (
  transaction_id TEXT PRIMARY KEY, state TEXT NOT NULL, coordinator_id TEXT NOT NULL, coordinator_epoch INTEGER NOT NULL,
  payload BLOB NOT NULL, reason TEXT NOT NULL, updated_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS concord_transactions_state ON concord_transactions (state, updated_at);
"""


@dataclass(frozen=True)
class Record:
    transaction_id: str
    state: State
    #: Whose it is: only this coordinator may end it.
    coordinator_id: str
    coordinator_epoch: int
    #: While it is prepared.
    payload: bytes = b""
    reason: str = ""

    def ended(self, state: State, reason: str = "") -> "Record":
        return replace(self, state=state, payload=b"", reason=reason)


class ParticipantLog:
    """One process at a time has it. Each block of `transaction` is one write, on disk when the block has ended."""

    def __init__(self, path: str, participant_id: str) -> None:
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise RuntimeError(f"{path} is in use by another process") from None
        self._lock = threading.RLock()
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.executescript(SCHEMA)
        with self.transaction():
            self._claim_for(path, participant_id)

    def _claim_for(self, path: str, participant_id: str) -> None:
        owner = self.db.execute("SELECT participant_id FROM concord_participant").fetchone()
        if owner is None:
            self.db.execute("INSERT INTO concord_participant VALUES (?)", (participant_id,))
        elif owner[0] != participant_id:
            raise RuntimeError(f"{path} is the log of participant {owner[0]!r}, not of {participant_id!r}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                # A COMMIT that fails may have ended it by itself.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Within a transaction: undoes what was written in it, and nothing else, if it raises."""
        self.db.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK TO attempt")
            raise
        finally:
            self.db.execute("RELEASE attempt")

    def read(self, transaction_id: str) -> Record | None:
        row = self.db.execute(
            "SELECT transaction_id, state, coordinator_id, coordinator_epoch, payload, reason"
            " FROM concord_transactions WHERE transaction_id = ?",
            (transaction_id,),
        ).fetchone()
        return None if row is None else Record(*row)

    def write(self, record: Record) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO concord_transactions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                record.transaction_id,
                record.state,
                record.coordinator_id,
                record.coordinator_epoch,
                record.payload,
                record.reason,
                time.time(),
            ),
        )

    def forget(self, coordinator_id: str) -> None:
        """What ended long ago, once this coordinator has had the time to ask about it."""
        with self.transaction():
            self.db.execute(
                "DELETE FROM concord_transactions WHERE state <> 'prepared' AND coordinator_id = ? AND updated_at < ?",
                (coordinator_id, time.time() - KEPT_SECONDS),
            )

    def in_doubt(self) -> list[tuple[str, str]]:
        """Transaction and coordinator, oldest first."""
        with self._lock:
            return self.db.execute(
                "SELECT transaction_id, coordinator_id FROM concord_transactions WHERE state = 'prepared' ORDER BY updated_at"
            ).fetchall()

    def claim(self, coordinator_id: str) -> tuple[int, str] | None:
        """The newest epoch of this coordinator that was seen, and its id."""
        return self.db.execute(
            "SELECT epoch, id FROM concord_claims WHERE coordinator_id = ?", (coordinator_id,)
        ).fetchone()

    def write_claim(self, coordinator_id: str, epoch: int, claim_id: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO concord_claims VALUES (?, ?, ?)", (coordinator_id, epoch, claim_id))

    def close(self) -> None:
        with self._lock:
            self.db.close()
            os.close(self._file)
