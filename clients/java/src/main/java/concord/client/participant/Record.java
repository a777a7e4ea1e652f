package concord.client.participant;

/** What is known of a transaction. Only the coordinator whose it is may end it. The payload is kept while it is prepared. */
record Record(
        String transactionId, State state, String coordinatorId, long coordinatorEpoch, byte[] payload, String reason) {
    enum State { PREPARED, COMMITTED, ABORTED, REFUSED, READ_ONLY }

    private static final byte[] NOTHING = {};
    private static final int REASON_MAX = 1000;

    Record {
        if (state != State.PREPARED) payload = NOTHING;
        reason = reason.codePointCount(0, reason.length()) <= REASON_MAX
                ? reason
                : reason.substring(0, reason.offsetByCodePoints(0, REASON_MAX));
    }

    Record ended(State as) {
        return new Record(transactionId, as, coordinatorId, coordinatorEpoch, payload, reason);
    }
}
