package concord.client.participant;

import concord.commit.v1.VoteValue;

/** What {@link Resource#prepare} says. The reason is that of an abort, for people. */
public record Vote(VoteValue value, String reason) {
    public static final Vote COMMIT = new Vote(VoteValue.VOTE_VALUE_COMMIT, "");

    /** Nothing was changed, and the outcome does not matter here. */
    public static final Vote READ_ONLY = new Vote(VoteValue.VOTE_VALUE_READ_ONLY, "");

    public static Vote abort(String reason) {
        return new Vote(VoteValue.VOTE_VALUE_ABORT, reason);
    }
}
