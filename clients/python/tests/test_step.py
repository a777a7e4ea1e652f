"""Each record, each message: the answer, and what is written. docs/two-phase-commit.md."""

from pathlib import Path

import pytest
from concord.commit.v1 import transaction_pb2, two_phase_commit_pb2
from concord_client.participant.claims import goes_on_from
from concord_client.participant.log import ParticipantLog, Record
from concord_client.participant.step import Refused, Steps
from seats import Seats

OWN, EPOCH = "log-1", 4


@pytest.fixture
def log(tmp_path: Path):
    log = ParticipantLog(str(tmp_path / "log.sqlite"), "seats")
    with log.transaction():
        log.write_claim(OWN, EPOCH, "claim")
    yield log
    log.close()


def prepare(*, one_phase: bool = False, late: bool = False, payload: str = "12A", epoch: int = EPOCH):
    message = two_phase_commit_pb2.Prepare(
        transaction_id="t", attempt=2, payload=payload.encode(), one_phase=one_phase, coordinator_epoch=epoch
    )
    message.vote_within.seconds = 0 if late else 10
    return message


def decision(outcome: str, epoch: int = EPOCH):
    return two_phase_commit_pb2.Decision(
        transaction_id="t", outcome=transaction_pb2.Outcome.Value(f"OUTCOME_{outcome}"), coordinator_epoch=epoch
    )


MESSAGES = {
    "prepare": prepare(),
    "late prepare": prepare(late=True),
    "prepare alone": prepare(one_phase=True),
    "late prepare alone": prepare(one_phase=True, late=True),
    "prepare nothing": prepare(payload="none"),
    "prepare a fault": prepare(payload="fault"),
    "commit": decision("COMMITTED"),
    "abort": decision("ABORTED"),
}

# Record, message: answer, record.
TABLE = """
none      | prepare            | vote COMMIT    | prepared
none      | late prepare       | vote ABORT     | refused
none      | prepare alone      | ack COMMITTED  | committed
none      | late prepare alone | ack ABORTED    | aborted
none      | prepare nothing    | vote READ_ONLY | read-only
none      | prepare a fault    | vote ABORT     | refused
none      | commit             | ack LOST       | none
none      | abort              | ack ABORTED    | aborted
prepared  | prepare            | vote COMMIT    | prepared
prepared  | late prepare       | vote COMMIT    | prepared
prepared  | prepare alone      | ack COMMITTED  | committed
prepared  | commit             | ack COMMITTED  | committed
prepared  | abort              | ack ABORTED    | aborted
committed | prepare            | nack           | committed
committed | prepare alone      | ack COMMITTED  | committed
committed | late prepare alone | ack COMMITTED  | committed
committed | commit             | ack COMMITTED  | committed
committed | abort              | nack           | committed
aborted   | prepare            | vote ABORT     | aborted
aborted   | prepare alone      | ack ABORTED    | aborted
aborted   | commit             | nack           | aborted
aborted   | abort              | ack ABORTED    | aborted
refused   | prepare            | vote ABORT     | refused
refused   | prepare alone      | ack ABORTED    | aborted
refused   | commit             | ack LOST       | refused
refused   | abort              | ack ABORTED    | aborted
read-only | prepare            | vote READ_ONLY | read-only
read-only | prepare alone      | ack ABORTED    | aborted
read-only | commit             | ack LOST       | read-only
read-only | abort              | ack ABORTED    | aborted
"""


def answer_to(log: ParticipantLog, message, coordinator_id: str = OWN, leaving: bool = False) -> str:
    steps = Steps(log, Seats())
    try:
        if isinstance(message, two_phase_commit_pb2.Prepare):
            answer = steps.prepare(message, coordinator_id, leaving)
        else:
            answer = steps.decide(message, coordinator_id)
    except Refused:
        return "nack"
    if isinstance(answer, two_phase_commit_pb2.Vote):
        assert answer.attempt == message.attempt
        return "vote " + transaction_pb2.VoteValue.Name(answer.value).removeprefix("VOTE_VALUE_")
    return "ack " + transaction_pb2.Outcome.Name(answer.outcome).removeprefix("OUTCOME_")


def bring_to(log: ParticipantLog, state: str) -> None:
    ways = {
        "none": [],
        "prepared": ["prepare"],
        "committed": ["prepare", "commit"],
        "aborted": ["prepare", "abort"],
        "refused": ["prepare a fault"],
        "read-only": ["prepare nothing"],
    }
    for message in ways[state]:
        answer_to(log, MESSAGES[message])


def state_of(log: ParticipantLog) -> str:
    record = log.read("t")
    return "none" if record is None else record.state


@pytest.mark.parametrize("line", TABLE.strip().split("\n"))
def test_each_record_and_message(log: ParticipantLog, line: str):
    state, message, answer, after = (part.strip() for part in line.split("|"))
    bring_to(log, state)
    assert answer_to(log, MESSAGES[message]) == answer
    assert state_of(log) == after
    # It may come twice: the second answer is the first.
    assert (answer_to(log, MESSAGES[message]), state_of(log)) == (answer, after)


@pytest.mark.parametrize("message", ["prepare", "prepare alone", "commit", "abort"])
def test_a_promise_is_ended_by_its_own_coordinator_only(log: ParticipantLog, message: str):
    bring_to(log, "prepared")
    assert answer_to(log, MESSAGES[message], coordinator_id="log-2") == "nack"
    assert state_of(log) == "prepared"


@pytest.mark.parametrize("message", [prepare(epoch=EPOCH - 1), decision("COMMITTED", EPOCH - 1), decision("ABORTED", EPOCH - 1)])
@pytest.mark.parametrize("state", ["none", "prepared"])
def test_a_coordinator_that_was_replaced_is_not_heard(log: ParticipantLog, state: str, message):
    bring_to(log, state)
    assert answer_to(log, message) == "nack"
    assert state_of(log) == state


def test_who_leaves_takes_no_new_work_and_keeps_its_promises(log: ParticipantLog):
    assert answer_to(log, prepare(), leaving=True) == "vote ABORT"
    log.db.execute("DELETE FROM concord_transactions")
    bring_to(log, "prepared")
    assert answer_to(log, prepare(), leaving=True) == "vote COMMIT"


def test_what_was_written_before_a_refusal_is_undone(log: ParticipantLog):
    bring_to(log, "refused")
    assert log.db.execute("SELECT name FROM sqlite_master WHERE name = 'seats'").fetchall() == []


def test_a_commit_that_fails_leaves_the_promise(log: ParticipantLog):
    bring_to(log, "prepared")
    log.db.execute("ALTER TABLE seats RENAME COLUMN sold TO gone")
    with pytest.raises(Exception, match="no such column"):
        Steps(log, Seats()).decide(MESSAGES["commit"], OWN)
    assert state_of(log) == "prepared"
    log.db.execute("ALTER TABLE seats RENAME COLUMN gone TO sold")
    assert answer_to(log, MESSAGES["commit"]) == "ack COMMITTED"


def test_what_ended_long_ago_is_forgotten_and_promises_stay(log: ParticipantLog):
    for transaction_id, state, coordinator_id in (("a", "committed", OWN), ("b", "prepared", OWN), ("c", "committed", "log-2")):
        log.write(Record(transaction_id, state, coordinator_id, EPOCH))
    log.db.execute("UPDATE concord_transactions SET updated_at = 0")
    log.write(Record("d", "committed", OWN, EPOCH))
    log.forget(OWN)
    kept = log.db.execute("SELECT transaction_id FROM concord_transactions ORDER BY 1").fetchall()
    assert kept == [("b",), ("c",), ("d",)]


@pytest.mark.parametrize(
    ("seen", "claims", "sound"),
    [
        (None, [(1, "a")], True),
        ((1, "a"), [(1, "a")], True),
        ((1, "a"), [(2, "b"), (1, "a")], True),
        ((1, "a"), [(9, "z"), (8, "y")], True),
        ((2, "b"), [(2, "x"), (1, "a")], False),
        ((2, "b"), [(3, "c"), (1, "a")], False),
        ((2, "b"), [(1, "a")], False),
    ],
)
def test_a_log_goes_on_from_the_claim_that_was_seen(seen, claims, sound):
    listed = [two_phase_commit_pb2.Claim(epoch=epoch, id=claim_id) for epoch, claim_id in claims]
    assert goes_on_from(seen, listed) == sound
