package concord.client.participant;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.Duration;
import concord.client.Client;
import concord.client.TestServer;
import concord.commit.v1.Enlistment;
import concord.commit.v1.ExecuteTransactionRequest;
import concord.commit.v1.Outcome;
import concord.commit.v1.TwoPhaseCommitGrpc.TwoPhaseCommitBlockingStub;
import io.grpc.Grpc;
import io.grpc.TlsChannelCredentials;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.List;
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
        try (var server = new TestServer(
                folder,
                "--tls-cert",
                certs.resolve("server.pem").toString(),
                "--tls-key",
                certs.resolve("server-key.pem").toString(),
                "--tls-client-ca",
                ca.toString())) {
            var tls = TlsChannelCredentials.newBuilder()
                    .trustManager(ca.toFile())
                    .keyManager(
                            certs.resolve("ada.pem").toFile(),
                            certs.resolve("ada-key.pem").toFile())
                    .build();
            var channel = Grpc.newChannelBuilder(server.address(), tls).build();
            var second = java.time.Duration.ofSeconds(1);
            try (var participant =
                            new Participant(List.of(server.address()), tls, "java", folder.resolve("java.sqlite"), new Nothing());
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
}
