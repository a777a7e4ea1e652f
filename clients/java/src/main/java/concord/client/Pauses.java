package concord.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** They grow, and are jittered, so that clients that failed together do not come back together. */
public final class Pauses {
    private static final long SHORTEST_MS = 100;
    private static final long LONGEST_MS = 5_000;

    private long longestMs;

    /** It is at least so long. */
    public Duration next(Duration atLeast) {
        longestMs = Math.min(Math.max(SHORTEST_MS, 2 * longestMs), LONGEST_MS);
        var pause = Duration.ofMillis(ThreadLocalRandom.current().nextLong(longestMs / 2, longestMs + 1));
        return pause.compareTo(atLeast) < 0 ? atLeast : pause;
    }
}
