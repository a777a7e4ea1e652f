package concord.client.participant;

import java.sql.Connection;

/**
 * What the owner of a participant writes: three functions over the database that also holds the log. Each runs within a transaction of SQLite that
 * also writes the log, and does not end it. So what it writes is there exactly if the log says so, and each is called once for a transaction,
 * except that one which has thrown is called again.
 */
public interface Resource {
    /**
     * Holds what the work needs against everybody else. What it wrote is undone unless it returns COMMIT. To refuse, it returns {@link Vote#abort},
     * whose reason reaches the client; to throw is to abort, too, and what was thrown stays in the participant's log.
     */
    Vote prepare(Connection db, String transactionId, byte[] payload) throws Exception;

    /** Does what was promised. It must succeed in the end: if it throws, it is called again, for ever. */
    void commit(Connection db, String transactionId, byte[] payload) throws Exception;

    /** Lets go of what {@code prepare} holds. Called only where that has returned COMMIT. */
    void abort(Connection db, String transactionId, byte[] payload) throws Exception;
}
