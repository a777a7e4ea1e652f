package concord.client.participant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import concord.client.Client;
import concord.client.TestServer;
import concord.commit.v1.Enlistment;
import concord.commit.v1.ExecuteTransactionRequest;
import concord.commit.v1.ListParticipantsRequest;
import concord.commit.v1.Outcome;
import concord.commit.v1.Transaction;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ParticipantTest {
    @TempDir
    Path folder;
    private TestServer server;
    private Client client;
    private Path database;
    private final List<Process> processes = new ArrayList<>();
    private final List<Participant> participants = new ArrayList<>();

    @BeforeEach
    void connect() throws Exception {
        server = new TestServer(folder);
        client = new Client(server.address(), "ada");
        database = folder.resolve("seats.sqlite");
    }

    @AfterEach
    void disconnect() throws Exception {
        for (var each : participants) each.close();
        for (var each : processes) each.destroyForcibly().waitFor();
        client.close();
        server.close();
    }

    private Participant participant() throws Exception {
        var participant = new Participant(List.of(server.address()), "seats", database, new Seats());
        participants.add(participant);
        return participant;
    }

    private Process start(String... command) throws IOException {
        var process = new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        processes.add(process);
        return process;
    }

    /** A second participant, of Concord's own kind, that votes as it is told. */
    private Process till() throws IOException {
        return start(
                TestServer.CONCORD, "participant", "till", "--obey", "--address", server.address(), "--data-dir",
                folder.resolve("till").toString());
    }

    private Process program() throws IOException {
        var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        return start(java, "-cp", System.getProperty("java.class.path"), Seats.class.getName(), server.address(), database.toString());
    }

    private static void signal(Process process, String name) throws Exception {
        assertEquals(0, new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().waitFor());
    }

    private Transaction execute(Map<String, String> payloads) {
        var minute = Duration.newBuilder().setSeconds(60);
        var request = ExecuteTransactionRequest.newBuilder()
                .setRequestedBy("ada")
                .setWaitForParticipants(minute)
                .setPrepareTimeout(minute);
        payloads.forEach((id, payload) ->
                request.addParticipants(Enlistment.newBuilder().setParticipantId(id).setPayload(ByteString.copyFromUtf8(payload))));
        return client.transactions.executeTransaction(request.build()).getTransaction();
    }

    private void untilBothAreConnected() throws Exception {
        TestServer.until("both are connected", () -> {
            var listed = client.transactions.listParticipants(ListParticipantsRequest.getDefaultInstance()).getParticipantsList();
            return List.of("seats", "till").stream()
                    .allMatch(id -> listed.stream().anyMatch(each -> each.getParticipantId().equals(id) && each.getConnected()));
        });
    }

    /** Reads the database as another process would. Empty if there is nothing. */
    private String ask(String sql) {
        try (var db = DriverManager.getConnection("jdbc:sqlite:" + database);
                var rows = db.createStatement().executeQuery(sql)) {
            var found = rows.getString(1);
            return found == null ? "" : found;
        } catch (SQLException notYet) {
            return "";
        }
    }

    private String seats() {
        return ask("SELECT group_concat(seat || ' ' || sold, ', ' ORDER BY seat) FROM seats");
    }

    private boolean hasPromised() {
        return ask("SELECT state FROM concord_transactions").equals("PREPARED");
    }

    @Test
    void aLoneParticipantDecides() throws Exception {
        participant();
        assertEquals(Outcome.OUTCOME_COMMITTED, execute(Map.of("seats", "12A")).getOutcome());
        var refused = execute(Map.of("seats", "12A"));
        assertEquals(Outcome.OUTCOME_ABORTED, refused.getOutcome());
        assertTrue(refused.getAbortReason().contains("seat 12A is taken"), refused.getAbortReason());
        assertEquals("12A 1", seats());
    }

    @Test
    void allOrNothing() throws Exception {
        var participant = participant();
        till();
        assertEquals(Outcome.OUTCOME_COMMITTED, execute(Map.of("seats", "12A", "till", "commit")).getOutcome());
        assertEquals(Outcome.OUTCOME_ABORTED, execute(Map.of("seats", "12B", "till", "abort")).getOutcome());
        assertEquals(Outcome.OUTCOME_COMMITTED, execute(Map.of("seats", "none", "till", "commit")).getOutcome());
        assertEquals(Outcome.OUTCOME_ABORTED, execute(Map.of("seats", "fault", "till", "commit")).getOutcome());
        TestServer.until("what was aborted is undone", () -> seats().equals("12A 1"));
        assertEquals(List.of(), participant.inDoubt());
    }

    @Test
    void aParticipantThatIsKilledInDoubtKeepsItsPromise() throws Exception {
        var program = program();
        var till = till();
        untilBothAreConnected();
        signal(till, "STOP");
        var decided = CompletableFuture.supplyAsync(() -> execute(Map.of("seats", "12A", "till", "commit")));
        TestServer.until("it has promised", this::hasPromised);
        program.destroyForcibly().waitFor();
        program();
        signal(till, "CONT");
        assertEquals(Outcome.OUTCOME_COMMITTED, decided.join().getOutcome());
        TestServer.until("the promise is kept", () -> seats().equals("12A 1"));
    }

    @Test
    void whatAKilledCoordinatorHadNotDecidedIsUndone() throws Exception {
        var participant = participant();
        var till = till();
        untilBothAreConnected();
        signal(till, "STOP");
        var decided = CompletableFuture.supplyAsync(() -> execute(Map.of("seats", "12A", "till", "commit")));
        TestServer.until("it has promised", this::hasPromised);
        assertEquals(1, participant.inDoubt().size());
        server.kill();
        assertThrows(CompletionException.class, decided::join);
        server.start();
        TestServer.until("the promise is given back", () -> seats().isEmpty() && participant.inDoubt().isEmpty());
    }

    @Test
    void aLogBelongsToOneParticipantAndOneProcess() throws Exception {
        var seats = participant();
        var inUse = assertThrows(IllegalStateException.class, () -> new Participant(List.of(), "seats", database, new Seats()));
        assertTrue(inUse.getMessage().contains("is in use"), inUse.getMessage());
        // Nor does what was refused in this process let another one in.
        assertEquals(1, program().waitFor());
        seats.close();
        participants.clear();
        var other = assertThrows(IllegalStateException.class, () -> new Participant(List.of(), "tables", database, new Seats()));
        assertTrue(other.getMessage().contains("is the log of participant \"seats\""), other.getMessage());
    }

    @Test
    void aDecisionLogThatWasRestoredIsNotBelieved() throws Exception {
        var lines = new Lines();
        var older = folder.resolve("older");
        server.stop();
        copy(server.data, older);
        server.start();
        var logger = Logger.getLogger("concord.participant");
        logger.addHandler(lines);
        try {
            participant();
            TestServer.until("it has seen the newer log", () -> lines.have("in session with coordinator"));
            server.stop();
            copy(older, server.data);
            server.start();
            TestServer.until("the older log is found out", () -> lines.have("does not go on from it"));
        } finally {
            logger.removeHandler(lines);
        }
    }

    /** In place of what is there. */
    private static void copy(Path from, Path to) throws Exception {
        assertEquals(0, new ProcessBuilder("sh", "-c", "rm -rf \"$2\" && cp -r \"$1\" \"$2\"", "sh", from.toString(), to.toString())
                .start().waitFor());
    }

    private static final class Lines extends Handler {
        private final ConcurrentLinkedQueue<String> lines = new ConcurrentLinkedQueue<>();

        boolean have(String text) {
            return lines.stream().anyMatch(line -> line.contains(text));
        }

        @Override
        public void publish(LogRecord line) {
            lines.add(new SimpleFormatter().formatMessage(line));
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    }
}
