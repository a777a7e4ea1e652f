package concord.client.participant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.Duration;
import concord.client.Client;
import concord.client.ConcordException;
import concord.client.TestServer;
import concord.client.Token;
import concord.commit.v1.Enlistment;
import concord.commit.v1.ExecuteTransactionRequest;
import concord.commit.v1.Outcome;
import concord.commit.v1.TwoPhaseCommitGrpc.TwoPhaseCommitBlockingStub;
import io.grpc.ChannelCredentials;
import io.grpc.CompositeChannelCredentials;
import io.grpc.Grpc;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsTest {
    private static final class Nothing implements Resource {
        @Override
        public Vote prepare(Connection db, String transactionId, byte[] payload) {
            return Vote.COMMIT;
        }

        @Override
        public void commit(Connection db, String transactionId, byte[] payload) {}

        @Override
        public void abort(Connection db, String transactionId, byte[] payload) {}
    }

    @Test
    void clientsAndParticipantsProveWhoTheyAreOverMutualTls(@TempDir Path folder) throws Exception {
        var certs = folder.resolve("certs");
        new ProcessBuilder(TestServer.CONCORD, "dev-certs", certs.toString(), "--client", "ada").start().waitFor();
        var ca = certs.resolve("ca.pem");
        try (var server = TestServer.overTls(folder, certs, "--tls-client-ca", ca.toString())) {
            var tls = TlsChannelCredentials.newBuilder()
                    .trustManager(ca.toFile())
                    .keyManager(
                            certs.resolve("ada.pem").toFile(),
                            certs.resolve("ada-key.pem").toFile())
                    .build();
            commits(server, folder, tls);
        }
    }

    @Test
    void clientsAndParticipantsProveWhoTheyAreByTokens(@TempDir Path folder) throws Exception {
        new ProcessBuilder(TestServer.CONCORD, "dev-certs", folder.toString()).start().waitFor();
        var file = folder.resolve("token");
        var access = folder.resolve("access.yaml");
        var made = new ProcessBuilder(TestServer.CONCORD, "token", "new", "--principal", "ada", "--to", file.toString()).start();
        // Below what names the file are the lines for the access file.
        var lines = made.inputReader().lines().skip(3).collect(Collectors.joining("\n"));
        Files.writeString(access, lines + """

                grants:
                  - { principals: [ada], roles: [client] }
                  - { principals: [ada], roles: [participant], participants: [java] }
                """);
        var ca = folder.resolve("ca.pem").toFile();
        try (var server = TestServer.overTls(folder, folder, "--access", access.toString())) {
            var tls = TlsChannelCredentials.newBuilder().trustManager(ca).build();
            commits(server, folder, CompositeChannelCredentials.create(tls, new Token(() -> {
                try {
                    return Files.readString(file).strip();
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            })));
            var second = java.time.Duration.ofSeconds(1);
            var channel = Grpc.newChannelBuilder(server.address(), tls).build();
            try (var anonymous = new Client(channel, "ada", second.multipliedBy(20), second.multipliedBy(30))) {
                var failure = assertThrows(ConcordException.class, () -> anonymous.get("wf-1"));
                assertEquals("UNAUTHENTICATED", failure.reason());
            }
        }
    }

    private static void commits(TestServer server, Path folder, ChannelCredentials credentials) throws Exception {
        var channel = Grpc.newChannelBuilder(server.address(), credentials).build();
        var second = java.time.Duration.ofSeconds(1);
        try (var participant =
                        new Participant(List.of(server.address()), credentials, "java", folder.resolve("java.sqlite"), new Nothing());
                var client = new Client(channel, "ada", second.multipliedBy(20), second.multipliedBy(30))) {
            var request = ExecuteTransactionRequest.newBuilder()
                    .addParticipants(Enlistment.newBuilder().setParticipantId("java"))
                    .setWaitForParticipants(Duration.newBuilder().setSeconds(10))
                    .setReason("a test")
                    .build();
            var answer = client.call(client.transactions, TwoPhaseCommitBlockingStub::executeTransaction, request);
            assertEquals(Outcome.OUTCOME_COMMITTED, answer.getTransaction().getOutcome());
        }
    }
}
