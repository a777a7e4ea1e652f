"""What is known after a failed call, and whether to try again: the table of docs/retries.md."""

from typing import Literal, NamedTuple

Outcome = Literal["not done", "unknown"]
Retry = Literal["same", "anew", "no"]


class Advice(NamedTuple):
    #: Whether the change was made.
    outcome: Outcome
    #: The same request again, another one after looking, or none before somebody has changed something.
    retry: Retry


def _all(outcome: Outcome, retry: Retry, names: str) -> dict[str, Advice]:
    return {name: Advice(outcome, retry) for name in names.split()}


ADVICE: dict[str, Advice] = {
    **_all(
        "not done",
        "same",
        """IN_TRANSITION PREDICATE_LOGIC_UNAVAILABLE TRANSACTION_ABORTED OVERLOADED SESSION_SUPERSEDED SESSION_TIMEOUT
        PARTICIPANT_LAGS REQUEST_INCOMPLETE REVISION_NOT_REACHED RECOVERY_TOO_EARLY BULK_OPERATION_LIMIT_REACHED
        ISSUER_UNAVAILABLE""",
    ),
    **_all(
        "unknown",
        "same",
        "STORAGE_UNAVAILABLE COORDINATOR_UNAVAILABLE COORDINATOR_FENCED SHUTTING_DOWN OUTCOME_PENDING",
    ),
    **_all(
        "not done",
        "anew",
        """REQUEST_ID_REUSED VERSION_MISMATCH INVALID_TRANSITION RULE_DENIED NOT_FAILED REVISION_COMPACTED RULE_STATE
        TRANSACTION_NOT_FOUND TRANSACTION_STATE PARTICIPANT_STATE RULE_VERSION_MISMATCH POLICY_REVISION_MISMATCH
        DEADLINE_NOT_SET PAGE_TOKEN_EXPIRED BATCH_ABORTED BULK_OPERATION_STATE SINK_STATE""",
    ),
    **_all(
        "not done",
        "no",
        """INVALID_REQUEST WORKFLOW_NOT_FOUND WORKFLOW_ALREADY_EXISTS WORKFLOW_LIMIT_REACHED TERMINAL_STATE RULE_NOT_FOUND
        RULE_ALREADY_EXISTS RULE_INVALID RULE_LIMIT_REACHED PROTOCOL_VERSION PROTOCOL_VIOLATION PARTICIPANT_ENLISTED
        PARTICIPANT_LIMIT_REACHED CHECKS_TOO_EXPENSIVE MESSAGE_TOO_LARGE UNREADABLE_CALL RULE_TESTS_FAILED
        RULE_SET_ITEM_NOT_FOUND REVISION_NOT_FOUND METADATA_INVALID VERDICT_LOG_OFF RECOVERIES_EXHAUSTED POLICY_NOT_FOUND
        POLICY_LIMIT_REACHED WORKFLOW_PURGED WORKFLOW_ID_RETIRED BULK_OPERATION_NOT_FOUND SINK_NOT_FOUND
        UNAUTHENTICATED PERMISSION_DENIED""",
    ),
    **_all("unknown", "no", "INTERNAL"),
}
