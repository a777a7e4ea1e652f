package concord.client.participant;

import concord.commit.v1.Claim;
import java.util.List;

final class Claims {
    private Claims() {}

    /**
     * Whether the decision log behind a Welcome goes on from what was seen of it, or null, as the comment of Participate says. If not, it was restored
     * from an older copy, or is another one: it has forgotten what it decided.
     */
    static boolean goOnFrom(Claim seen, List<Claim> claims) {
        if (seen == null) return true;
        for (var each : claims) {
            if (each.getEpoch() == seen.getEpoch()) return each.getId().equals(seen.getId());
        }
        return !claims.isEmpty()
                && claims.stream().allMatch(each -> Long.compareUnsigned(each.getEpoch(), seen.getEpoch()) > 0);
    }
}
