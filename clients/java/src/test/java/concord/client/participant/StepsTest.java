package concord.client.participant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import concord.commit.v1.Claim;
import concord.commit.v1.Decision;
import concord.commit.v1.Outcome;
import concord.commit.v1.ParticipateRequest;
import concord.commit.v1.Prepare;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each record, each message: the answer, and what is written. docs/participant-contract.md. */
class StepsTest {
    private static final String OWN = "log-1";
    private static final int EPOCH = 4;

    @TempDir
    Path folder;
    private ParticipantLog log;
    private Steps steps;

    @BeforeEach
    void open() throws Exception {
        log = new ParticipantLog(folder.resolve("log.sqlite"), "seats");
        log.writeSeen(OWN, claim(EPOCH, "claim"));
        steps = new Steps(log, new Seats());
    }

    @AfterEach
    void close() throws Exception {
        log.close();
    }

    private static Claim claim(long epoch, String id) {
        return Claim.newBuilder().setEpoch(epoch).setId(id).build();
    }

    private static Prepare prepare(String payload, boolean onePhase, int seconds, int epoch) {
        return Prepare.newBuilder()
                .setTransactionId("t")
                .setAttempt(2)
                .setPayload(ByteString.copyFromUtf8(payload))
                .setOnePhase(onePhase)
                .setVoteWithin(Duration.newBuilder().setSeconds(seconds))
                .setCoordinatorEpoch(epoch)
                .build();
    }

    private static Decision decision(Outcome outcome, int epoch) {
        return Decision.newBuilder().setTransactionId("t").setOutcome(outcome).setCoordinatorEpoch(epoch).build();
    }

    private static final Map<String, Message> MESSAGES = Map.ofEntries(
            Map.entry("prepare", prepare("12A", false, 10, EPOCH)),
            Map.entry("late prepare", prepare("12A", false, 0, EPOCH)),
            Map.entry("prepare alone", prepare("12A", true, 10, EPOCH)),
            Map.entry("late prepare alone", prepare("12A", true, 0, EPOCH)),
            Map.entry("prepare nothing", prepare("none", false, 10, EPOCH)),
            Map.entry("prepare a fault", prepare("fault", false, 10, EPOCH)),
            Map.entry("commit", decision(Outcome.OUTCOME_COMMITTED, EPOCH)),
            Map.entry("abort", decision(Outcome.OUTCOME_ABORTED, EPOCH)),
            Map.entry("decide what is not", decision(Outcome.OUTCOME_LOST, EPOCH)),
            Map.entry("replaced: prepare", prepare("12A", false, 10, EPOCH - 1)),
            Map.entry("replaced: commit", decision(Outcome.OUTCOME_COMMITTED, EPOCH - 1)),
            Map.entry("replaced: abort", decision(Outcome.OUTCOME_ABORTED, EPOCH - 1)));

    private String tell(String message, String coordinatorId, boolean isLeaving) throws Exception {
        try {
            return told(
                    MESSAGES.get(message) instanceof Prepare prepare
                            ? steps.prepare(prepare, coordinatorId, isLeaving)
                            : steps.decide((Decision) MESSAGES.get(message), coordinatorId));
        } catch (Refused refused) {
            return "nack";
        }
    }

    private static String told(ParticipateRequest.Builder answer) {
        if (!answer.hasVote()) return "ack " + answer.getDecisionAck().getOutcome().name().replaceFirst("OUTCOME_", "");
        assertEquals(2, answer.getVote().getAttempt());
        return "vote " + answer.getVote().getValue().name().replaceFirst("VOTE_VALUE_", "");
    }

    private void bringTo(String state) throws Exception {
        var way = switch (state) {
            case "PREPARED" -> List.of("prepare");
            case "COMMITTED" -> List.of("prepare", "commit");
            case "ABORTED" -> List.of("prepare", "abort");
            case "REFUSED" -> List.of("prepare a fault");
            case "READ_ONLY" -> List.of("prepare nothing");
            default -> List.<String>of();
        };
        for (var message : way) tell(message, OWN, false);
    }

    private String state() throws SQLException {
        var known = log.read("t");
        return known == null ? "NONE" : known.state().name();
    }

    private void execute(String sql) throws SQLException {
        try (var statement = log.db().createStatement()) {
            statement.execute(sql);
        }
    }

    private String ask(String sql) throws SQLException {
        try (var statement = log.db().createStatement();
                var rows = statement.executeQuery(sql)) {
            return rows.getString(1);
        }
    }

    // Record, message: answer, record.
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            NONE      | prepare            | vote COMMIT    | PREPARED
            NONE      | late prepare       | vote ABORT     | REFUSED
            NONE      | prepare alone      | ack COMMITTED  | COMMITTED
            NONE      | late prepare alone | ack ABORTED    | ABORTED
            NONE      | prepare nothing    | vote READ_ONLY | READ_ONLY
            NONE      | prepare a fault    | vote ABORT     | REFUSED
            NONE      | commit             | ack LOST       | NONE
            NONE      | abort              | ack ABORTED    | ABORTED
            NONE      | replaced: prepare  | nack           | NONE
            PREPARED  | prepare            | vote COMMIT    | PREPARED
            PREPARED  | late prepare       | vote COMMIT    | PREPARED
            PREPARED  | prepare alone      | ack COMMITTED  | COMMITTED
            PREPARED  | commit             | ack COMMITTED  | COMMITTED
            PREPARED  | abort              | ack ABORTED    | ABORTED
            PREPARED  | decide what is not | nack           | PREPARED
            PREPARED  | replaced: prepare  | nack           | PREPARED
            PREPARED  | replaced: commit   | nack           | PREPARED
            PREPARED  | replaced: abort    | nack           | PREPARED
            COMMITTED | prepare            | nack           | COMMITTED
            COMMITTED | prepare alone      | ack COMMITTED  | COMMITTED
            COMMITTED | late prepare alone | ack COMMITTED  | COMMITTED
            COMMITTED | commit             | ack COMMITTED  | COMMITTED
            COMMITTED | abort              | nack           | COMMITTED
            ABORTED   | prepare            | vote ABORT     | ABORTED
            ABORTED   | prepare alone      | ack ABORTED    | ABORTED
            ABORTED   | commit             | nack           | ABORTED
            ABORTED   | abort              | ack ABORTED    | ABORTED
            REFUSED   | prepare            | vote ABORT     | REFUSED
            REFUSED   | prepare alone      | ack ABORTED    | ABORTED
            REFUSED   | commit             | ack LOST       | REFUSED
            REFUSED   | abort              | ack ABORTED    | ABORTED
            READ_ONLY | prepare            | vote READ_ONLY | READ_ONLY
            READ_ONLY | prepare alone      | ack ABORTED    | ABORTED
            READ_ONLY | commit             | ack LOST       | READ_ONLY
            READ_ONLY | abort              | ack ABORTED    | ABORTED""")
    void eachRecordAndMessage(String before, String message, String answer, String after) throws Exception {
        bringTo(before);
        // It may come twice: the second answer is the first.
        for (var i = 0; i < 2; i++) {
            assertEquals(answer, tell(message, OWN, false));
            assertEquals(after, state());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"prepare", "prepare alone", "commit", "abort"})
    void aPromiseIsEndedByItsOwnCoordinatorOnly(String message) throws Exception {
        bringTo("PREPARED");
        assertEquals("nack", tell(message, "log-2", false));
        assertEquals("PREPARED", state());
    }

    @Test
    void whoLeavesTakesNoNewWorkAndKeepsItsPromises() throws Exception {
        assertEquals("vote ABORT", tell("prepare", OWN, true));
        execute("DELETE FROM concord_transactions");
        bringTo("PREPARED");
        assertEquals("vote COMMIT", tell("prepare", OWN, true));
    }

    @Test
    void whatWasWrittenBeforeARefusalIsUndone() throws Exception {
        bringTo("REFUSED");
        assertEquals("0", ask("SELECT COUNT(*) FROM sqlite_master WHERE name = 'seats'"));
    }

    @Test
    void aCommitThatFailsLeavesThePromise() throws Exception {
        bringTo("PREPARED");
        execute("ALTER TABLE seats RENAME COLUMN sold TO gone");
        assertThrows(SQLException.class, () -> tell("commit", OWN, false));
        assertEquals("PREPARED", state());
        execute("ALTER TABLE seats RENAME COLUMN gone TO sold");
        assertEquals("ack COMMITTED", tell("commit", OWN, false));
    }

    @Test
    void aResourceCannotEndTheTransaction() throws Exception {
        steps = new Steps(log, new Resource() {
            @Override
            public Vote prepare(java.sql.Connection db, String transactionId, byte[] payload) throws Exception {
                new Seats().prepare(db, transactionId, payload);
                db.commit();
                return Vote.COMMIT;
            }

            @Override
            public void commit(java.sql.Connection db, String transactionId, byte[] payload) {}

            @Override
            public void abort(java.sql.Connection db, String transactionId, byte[] payload) {}
        });
        assertEquals("vote ABORT", tell("prepare", OWN, false));
        assertEquals("0", ask("SELECT COUNT(*) FROM sqlite_master WHERE name = 'seats'"));
    }

    @Test
    void whatEndedLongAgoIsForgottenAndPromisesStay() throws Exception {
        log.write(record("a", Record.State.COMMITTED, OWN));
        log.write(record("b", Record.State.PREPARED, OWN));
        log.write(record("c", Record.State.COMMITTED, "log-2"));
        execute("UPDATE concord_transactions SET updated_at = 0");
        log.write(record("d", Record.State.COMMITTED, OWN));
        log.forget(OWN);
        assertEquals("b c d", ask("SELECT group_concat(transaction_id, ' ' ORDER BY transaction_id) FROM concord_transactions"));
    }

    private static Record record(String transactionId, Record.State state, String coordinatorId) {
        return new Record(transactionId, state, coordinatorId, EPOCH, new byte[0], "");
    }

    @Test
    void aReasonIsCutToWhatAMessageMayHave() {
        var long_ = new Record("t", Record.State.REFUSED, OWN, EPOCH, null, "\uD83D\uDE00".repeat(1001));
        assertEquals("\uD83D\uDE00".repeat(1000), long_.reason());
    }

    @Test
    void aLogGoesOnFromTheClaimThatWasSeen() {
        var one = claim(1, "a");
        var two = claim(2, "b");
        Stream.of(List.of(one), List.of(two, one), List.of(claim(9, "z"), claim(8, "y")))
                .forEach(claims -> assertEquals(true, Claims.goOnFrom(one, claims), claims.toString()));
        Stream.of(List.of(claim(2, "x"), one), List.of(claim(3, "c"), one), List.of(one), List.<Claim>of())
                .forEach(claims -> assertEquals(false, Claims.goOnFrom(two, claims), claims.toString()));
        assertEquals(true, Claims.goOnFrom(null, List.of(one)));
        // Epochs have 64 bits without a sign.
        assertEquals(true, Claims.goOnFrom(two, List.of(claim(-1, "z"))));
    }
}
