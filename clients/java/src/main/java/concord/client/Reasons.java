package concord.client;

import concord.client.Advice.Outcome;
import concord.client.Advice.Retry;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/** The table of docs/retries.md. */
public final class Reasons {
    /** By the names of {@code concord.error.v1.ErrorReason}. */
    public static final Map<String, Advice> ADVICE;

    static {
        var advice = new TreeMap<String, Advice>();
        all(advice, Outcome.NOT_DONE, Retry.SAME, """
                IN_TRANSITION PREDICATE_LOGIC_UNAVAILABLE TRANSACTION_ABORTED OVERLOADED SESSION_SUPERSEDED SESSION_TIMEOUT
                PARTICIPANT_LAGS REQUEST_INCOMPLETE REVISION_NOT_REACHED RECOVERY_TOO_EARLY BULK_OPERATION_LIMIT_REACHED
                ISSUER_UNAVAILABLE""");
        all(advice, Outcome.UNKNOWN, Retry.SAME, """
                STORAGE_UNAVAILABLE COORDINATOR_UNAVAILABLE COORDINATOR_FENCED SHUTTING_DOWN OUTCOME_PENDING""");
        all(advice, Outcome.NOT_DONE, Retry.ANEW, """
                REQUEST_ID_REUSED VERSION_MISMATCH INVALID_TRANSITION RULE_DENIED NOT_FAILED REVISION_COMPACTED RULE_STATE
                TRANSACTION_NOT_FOUND TRANSACTION_STATE PARTICIPANT_STATE RULE_VERSION_MISMATCH POLICY_REVISION_MISMATCH
                DEADLINE_NOT_SET PAGE_TOKEN_EXPIRED BATCH_ABORTED BULK_OPERATION_STATE SINK_STATE""");
        all(advice, Outcome.NOT_DONE, Retry.NO, """
                INVALID_REQUEST WORKFLOW_NOT_FOUND WORKFLOW_ALREADY_EXISTS WORKFLOW_LIMIT_REACHED TERMINAL_STATE RULE_NOT_FOUND
                RULE_ALREADY_EXISTS RULE_INVALID RULE_LIMIT_REACHED PROTOCOL_VERSION PROTOCOL_VIOLATION PARTICIPANT_ENLISTED
                PARTICIPANT_LIMIT_REACHED CHECKS_TOO_EXPENSIVE MESSAGE_TOO_LARGE UNREADABLE_CALL RULE_TESTS_FAILED
                RULE_SET_ITEM_NOT_FOUND REVISION_NOT_FOUND METADATA_INVALID VERDICT_LOG_OFF RECOVERIES_EXHAUSTED POLICY_NOT_FOUND
                POLICY_LIMIT_REACHED WORKFLOW_PURGED WORKFLOW_ID_RETIRED BULK_OPERATION_NOT_FOUND SINK_NOT_FOUND
                UNAUTHENTICATED PERMISSION_DENIED""");
        all(advice, Outcome.UNKNOWN, Retry.NO, "INTERNAL");
        ADVICE = Collections.unmodifiableMap(advice);
    }

    private Reasons() {}

    private static void all(Map<String, Advice> advice, Outcome outcome, Retry retry, String names) {
        for (var name : names.split("\\s+")) advice.put(name, new Advice(outcome, retry));
    }
}
