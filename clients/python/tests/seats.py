"""Sells seats. As a program, it takes part until it is told to stop: seats.py ADDRESS DATABASE."""

import logging
import signal
import sys
import threading
from sqlite3 import Connection

from concord_client.participant import COMMIT, READ_ONLY, Participant, Vote, abort


class Seats:
    def prepare(self, db: Connection, transaction_id: str, payload: bytes) -> Vote:
        db.execute("CREATE TABLE IF NOT EXISTS seats (seat TEXT PRIMARY KEY, tx TEXT NOT NULL, sold INTEGER NOT NULL)")
        seat = payload.decode()
        if seat == "none":
            return READ_ONLY
        held = db.execute("INSERT INTO seats VALUES (?, ?, 0) ON CONFLICT DO NOTHING", (seat, transaction_id))
        if seat == "fault":
            raise ValueError("a fault")
        return COMMIT if held.rowcount == 1 else abort(f"seat {seat} is taken")

    def commit(self, db: Connection, transaction_id: str, payload: bytes) -> None:
        db.execute("UPDATE seats SET sold = 1 WHERE tx = ?", (transaction_id,))

    def abort(self, db: Connection, transaction_id: str, payload: bytes) -> None:
        db.execute("DELETE FROM seats WHERE tx = ?", (transaction_id,))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    address, database = sys.argv[1:]
    # Before there is a participant: from then on, to be told to stop is to be answered with Goodbye.
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    participant = Participant([address], participant_id="seats", database=database, resource=Seats())
    told.wait()
    participant.close()
