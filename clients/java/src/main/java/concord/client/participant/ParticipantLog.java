package concord.client.participant;

import concord.commit.v1.Claim;
import concord.commit.v1.InDoubt;
import concord.commit.v1.VoteValue;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** What this participant has promised and how it ended, in the database of its resource. One process at a time has it. */
final class ParticipantLog implements AutoCloseable {
    /** Outcomes are kept at least so long. */
    private static final Duration KEPT = Duration.ofDays(30);

    private static final List<String> OPENING = List.of(
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA busy_timeout = 5000",
            "CREATE TABLE IF NOT EXISTS concord_participant (participant_id TEXT NOT NULL)",
            "CREATE TABLE IF NOT EXISTS concord_claims (coordinator_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, id TEXT NOT NULL)",
            """
            CREATE TABLE IF NOT EXISTS concord_transactions (
              transaction_id TEXT PRIMARY KEY, state TEXT NOT NULL, coordinator_id TEXT NOT NULL, coordinator_epoch INTEGER NOT NULL,
              payload BLOB NOT NULL, reason TEXT NOT NULL, updated_at INTEGER NOT NULL
            )""",
            "CREATE INDEX IF NOT EXISTS concord_transactions_state ON concord_transactions (state, updated_at)");

    private final DatabaseLock lock;
    private final Connection db;

    /** Throws IllegalStateException if it is in use, or another participant's. */
    ParticipantLog(Path path, String participantId) throws IOException, SQLException {
        lock = new DatabaseLock(path);
        Connection opened = null;
        try {
            opened = DriverManager.getConnection("jdbc:sqlite:" + path);
            db = opened;
            for (var each : OPENING) run(each);
            claimFor(path, participantId);
        } catch (Throwable failure) {
            if (opened != null) opened.close();
            lock.close();
            throw failure;
        }
    }

    private void claimFor(Path path, String participantId) throws SQLException {
        var owner = query("SELECT participant_id FROM concord_participant", rows -> rows.getString(1));
        if (owner.isEmpty()) {
            run("INSERT INTO concord_participant VALUES (?)", participantId);
        } else if (!owner.get(0).equals(participantId)) {
            var message = "%s is the log of participant \"%s\", not of \"%s\"";
            throw new IllegalStateException(message.formatted(path, owner.get(0), participantId));
        }
    }

    /** One write, on disk when it has returned. If the disk fails, only the next read tells whether it is. */
    synchronized <T> T transaction(Callable<T> write) throws Exception {
        run("BEGIN IMMEDIATE");
        try {
            var result = write.call();
            run("COMMIT");
            return result;
        } catch (Throwable failure) {
            undo(failure);
            throw failure;
        }
    }

    private void undo(Throwable failure) {
        try {
            run("ROLLBACK");
        } catch (SQLException hasEnded) {
            // Some failures end it by themselves.
            failure.addSuppressed(hasEnded);
        }
    }

    /** Within a transaction: undoes what was written in it, and nothing else, unless it votes to commit. */
    Vote attempt(Callable<Vote> write) throws Exception {
        run("SAVEPOINT attempt");
        var isPromised = false;
        try {
            var vote = write.call();
            isPromised = vote.value() == VoteValue.VOTE_VALUE_COMMIT;
            return vote;
        } finally {
            if (!isPromised) run("ROLLBACK TO attempt");
            run("RELEASE attempt");
        }
    }

    /** For the resource, within a transaction. */
    Connection db() {
        return db;
    }

    /** Null if there is none. */
    Record read(String transactionId) throws SQLException {
        var found = query(
                "SELECT state, coordinator_id, coordinator_epoch, payload, reason FROM concord_transactions WHERE transaction_id = ?",
                rows -> new Record(
                        transactionId, Record.State.valueOf(rows.getString(1)), rows.getString(2), rows.getLong(3), rows.getBytes(4),
                        rows.getString(5)),
                transactionId);
        return found.isEmpty() ? null : found.get(0);
    }

    void write(Record record) throws SQLException {
        run(
                "INSERT OR REPLACE INTO concord_transactions VALUES (?, ?, ?, ?, ?, ?, ?)",
                record.transactionId(), record.state().name(), record.coordinatorId(), record.coordinatorEpoch(), record.payload(),
                record.reason(), Instant.now().getEpochSecond());
    }

    /** What ended long ago, once this coordinator has had the time to ask about it. */
    synchronized void forget(String coordinatorId) throws SQLException {
        run(
                "DELETE FROM concord_transactions WHERE state <> ? AND coordinator_id = ? AND updated_at < ?",
                Record.State.PREPARED.name(), coordinatorId, Instant.now().minus(KEPT).getEpochSecond());
    }

    /** What is promised and not ended, oldest first. */
    synchronized List<InDoubt> inDoubt() throws SQLException {
        return query(
                "SELECT transaction_id, coordinator_id FROM concord_transactions WHERE state = ? ORDER BY updated_at",
                rows -> InDoubt.newBuilder().setTransactionId(rows.getString(1)).setCoordinatorId(rows.getString(2)).build(),
                Record.State.PREPARED.name());
    }

    /** The claim with the newest epoch of this coordinator that was seen, or null. */
    Claim seen(String coordinatorId) throws SQLException {
        var found = query(
                "SELECT epoch, id FROM concord_claims WHERE coordinator_id = ?",
                rows -> Claim.newBuilder().setEpoch(rows.getLong(1)).setId(rows.getString(2)).build(),
                coordinatorId);
        return found.isEmpty() ? null : found.get(0);
    }

    void writeSeen(String coordinatorId, Claim claim) throws SQLException {
        run("INSERT OR REPLACE INTO concord_claims VALUES (?, ?, ?)", coordinatorId, claim.getEpoch(), claim.getId());
    }

    @Override
    public synchronized void close() throws SQLException, IOException {
        db.close();
        lock.close();
    }

    private void run(String sql, Object... values) throws SQLException {
        try (var statement = db.prepareStatement(sql)) {
            for (var i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
            statement.execute();
        }
    }

    private interface Row<T> {
        T of(ResultSet rows) throws SQLException;
    }

    private <T> List<T> query(String sql, Row<T> row, Object... values) throws SQLException {
        try (var statement = db.prepareStatement(sql)) {
            for (var i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
            var found = new ArrayList<T>();
            try (var rows = statement.executeQuery()) {
                while (rows.next()) found.add(row.of(rows));
            }
            return found;
        }
    }
}
