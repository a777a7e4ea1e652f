package concord.client.participant;

import java.nio.file.Path;
import java.sql.Connection;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;

/** Sells seats. As a program, it takes part until it is told to stop: Seats ADDRESS DATABASE. */
final class Seats implements Resource {
    @Override
    public Vote prepare(Connection db, String transactionId, byte[] payload) throws Exception {
        var seat = new String(payload);
        if (seat.equals("none")) return Vote.READ_ONLY;
        try (var statement = db.createStatement()) {
            statement.execute("CREATE TABLE IF NOT EXISTS seats (seat TEXT PRIMARY KEY, tx TEXT NOT NULL, sold INTEGER NOT NULL)");
        }
        try (var hold = db.prepareStatement("INSERT INTO seats VALUES (?, ?, 0) ON CONFLICT DO NOTHING")) {
            hold.setString(1, seat);
            hold.setString(2, transactionId);
            if (hold.executeUpdate() == 0) return Vote.abort("seat " + seat + " is taken");
        }
        if (seat.equals("fault")) throw new IllegalStateException("a fault");
        return Vote.COMMIT;
    }

    @Override
    public void commit(Connection db, String transactionId, byte[] payload) throws Exception {
        run(db, "UPDATE seats SET sold = 1 WHERE tx = ?", transactionId);
    }

    @Override
    public void abort(Connection db, String transactionId, byte[] payload) throws Exception {
        run(db, "DELETE FROM seats WHERE tx = ?", transactionId);
    }

    private static void run(Connection db, String sql, String transactionId) throws Exception {
        try (var statement = db.prepareStatement(sql)) {
            statement.setString(1, transactionId);
            statement.executeUpdate();
        }
    }

    public static void main(String[] args) throws Exception {
        // Before there is a participant: from then on, to be told to stop is to be answered with Goodbye.
        var opening = new FutureTask<>(() -> new Participant(List.of(args[0]), "seats", Path.of(args[1]), new Seats()));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                opening.get().close();
            } catch (Exception failure) {
                failure.printStackTrace();
            }
        }));
        opening.run();
        opening.get();
        new CountDownLatch(1).await();
    }
}
