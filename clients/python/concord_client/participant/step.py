"""
One message of the coordinator, and the answer to it: the table of docs/two-phase-commit.md. Everything that an answer promises is
written in the same transaction, which has ended before the answer is sent.
"""

import logging
from typing import TypeAlias

from concord.commit.v1 import transaction_pb2, two_phase_commit_pb2

from .log import ParticipantLog, Record
from .resource import READ_ONLY, Resource, Vote, abort

logger = logging.getLogger("concord.participant")

Answer: TypeAlias = two_phase_commit_pb2.Vote | two_phase_commit_pb2.DecisionAck
REASON_MAX = 1000

VOTES = {
    "commit": transaction_pb2.VOTE_VALUE_COMMIT,
    "abort": transaction_pb2.VOTE_VALUE_ABORT,
    "read-only": transaction_pb2.VOTE_VALUE_READ_ONLY,
}


class Refused(Exception):
    """Answered with Nack: nothing has changed."""


class Steps:
    def __init__(self, log: ParticipantLog, resource: Resource) -> None:
        self._log = log
        self._resource = resource

    def prepare(self, message: two_phase_commit_pb2.Prepare, coordinator_id: str, leaving: bool) -> Answer:
        with self._log.transaction():
            record = self._believed(message, coordinator_id)
            may_start = not leaving and message.vote_within.ToNanoseconds() > 0
            if message.one_phase:
                return self._prepare_and_commit(message, coordinator_id, record, may_start)
            if record is not None:
                return self._vote_again(message, record)
            vote = self._work(message) if may_start else abort("leaving" if leaving else "the time to vote is over")
            if vote.value == "commit":
                self._write(message, coordinator_id, "prepared", payload=message.payload)
            else:
                self._write(message, coordinator_id, "refused" if vote.value == "abort" else "read-only", reason=vote.reason)
            return _vote(message, vote)

    def decide(self, message: two_phase_commit_pb2.Decision, coordinator_id: str) -> Answer:
        with self._log.transaction():
            record = self._believed(message, coordinator_id)
            if message.outcome == transaction_pb2.OUTCOME_COMMITTED:
                return self._commit(message, record)
            if message.outcome == transaction_pb2.OUTCOME_ABORTED:
                return self._abort(message, coordinator_id, record)
            raise Refused("the outcome is not known here")

    def _believed(self, message, coordinator_id: str) -> Record | None:
        """A promise belongs to the coordinator that it was made to; one that was replaced is not heard."""
        record = self._log.read(message.transaction_id)
        if record is not None and record.coordinator_id != coordinator_id:
            raise Refused(f'the transaction belongs to coordinator "{record.coordinator_id}"')
        claim = self._log.claim(coordinator_id)
        seen = max(claim[0] if claim else 0, record.coordinator_epoch if record else 0)
        if message.coordinator_epoch < seen:
            raise Refused(f"coordinator epoch {message.coordinator_epoch} was replaced by {seen}")
        return record

    def _work(self, message: two_phase_commit_pb2.Prepare) -> Vote:
        vote = abort("it was not prepared")
        try:
            with self._log.attempt():
                vote = self._resource.prepare(self._log.db, message.transaction_id, message.payload)
                if vote.value != "commit":
                    raise _Undo
        except _Undo:
            pass
        except Exception:
            # What a database says may name what is nobody's business: it stays here.
            logger.warning("prepare has raised: transaction %s", message.transaction_id, exc_info=True)
            vote = abort(f"prepare failed; the participant's log says why, at transaction {message.transaction_id}")
        return vote

    def _vote_again(self, message: two_phase_commit_pb2.Prepare, record: Record) -> Answer:
        match record.state:
            case "prepared":
                return _vote(message, Vote("commit"))
            case "read-only":
                return _vote(message, READ_ONLY)
            case "refused" | "aborted":
                return _vote(message, abort(record.reason))
            case "committed":
                raise Refused("it is committed")

    def _prepare_and_commit(
        self, message: two_phase_commit_pb2.Prepare, coordinator_id: str, record: Record | None, may_start: bool
    ) -> Answer:
        """The lone participant decides: its promise, the work and the outcome are one write."""
        if record is None:
            vote = self._work(message) if may_start else abort("the time to vote is over, or it is leaving")
            if vote.value == "commit":
                self._resource.commit(self._log.db, message.transaction_id, message.payload)
            state = "aborted" if vote.value == "abort" else "committed"
            self._write(message, coordinator_id, state, reason=vote.reason)
            return _ack(message, state, vote.reason)
        if record.state in ("prepared", "committed"):
            return self._commit(message, record)
        return self._abort(message, coordinator_id, record)

    def _commit(self, message, record: Record | None) -> Answer:
        if record is None or record.state in ("refused", "read-only"):
            return _ack(message, "lost", "no record of a promise: another log has made it, or this one was emptied or restored")
        if record.state == "aborted":
            raise Refused("COMMITTED, but it is aborted here")
        if record.state == "prepared":
            self._resource.commit(self._log.db, record.transaction_id, record.payload)
            self._log.write(record.ended("committed"))
        return _ack(message, "committed")

    def _abort(self, message, coordinator_id: str, record: Record | None) -> Answer:
        if record is None:
            # A Prepare that comes after it must be refused.
            self._write(message, coordinator_id, "aborted", reason="its abort came first")
        elif record.state == "committed":
            raise Refused("ABORTED, but it is committed here")
        elif record.state != "aborted":
            if record.state == "prepared":
                self._resource.abort(self._log.db, record.transaction_id, record.payload)
            self._log.write(record.ended("aborted", record.reason))
        return _ack(message, "aborted", record.reason if record else "")

    def _write(self, message, coordinator_id: str, state, *, payload: bytes = b"", reason: str = "") -> None:
        epoch = message.coordinator_epoch
        self._log.write(Record(message.transaction_id, state, coordinator_id, epoch, payload, reason[:REASON_MAX]))


class _Undo(Exception):
    """It has not voted to commit."""


def _vote(message: two_phase_commit_pb2.Prepare, vote: Vote) -> two_phase_commit_pb2.Vote:
    return two_phase_commit_pb2.Vote(
        transaction_id=message.transaction_id,
        attempt=message.attempt,
        value=VOTES[vote.value],
        reason=vote.reason[:REASON_MAX],
    )


def _ack(message, outcome: str, reason: str = "") -> two_phase_commit_pb2.DecisionAck:
    return two_phase_commit_pb2.DecisionAck(
        transaction_id=message.transaction_id,
        outcome=transaction_pb2.Outcome.Value(f"OUTCOME_{outcome.upper()}"),
        reason=reason[:REASON_MAX],
    )
