package concord.client.participant;

import concord.commit.v1.Claim;

/** The coordinator has forgotten what it decided. */
final class LogWentBack extends Exception {
    private static final long serialVersionUID = 1L;

    LogWentBack(String coordinatorId, Claim seen) {
        super("decision log %s was in epoch %s before, and does not go on from it"
                .formatted(coordinatorId, Long.toUnsignedString(seen.getEpoch())));
    }
}
