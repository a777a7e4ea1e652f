package concord.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import concord.workflow.v1.CreateWorkflowRequest;
import concord.workflow.v1.TransitionWorkflowRequest;
import concord.workflow.v1.WatchWorkflowEventsRequest;
import concord.workflow.v1.WorkflowState;
import io.grpc.ChannelCredentials;
import io.grpc.CompositeChannelCredentials;
import io.grpc.Grpc;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenTest {
    /** These expire one after the other; a busy machine may come too late for the first of them. */
    private static final int[] LIVES = {4, 8, 16, 32, 64};

    @TempDir
    Path folder;

    private TestServer server;
    private ChannelCredentials tls;

    private static String entry(String token, String more) throws Exception {
        var hash = MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.US_ASCII));
        return "{\"principal\": \"ada\", \"sha256\": \"%s\"%s}".formatted(HexFormat.of().formatHex(hash), more);
    }

    private TestServer serve() throws Exception {
        new ProcessBuilder(TestServer.CONCORD, "dev-certs", folder.toString()).start().waitFor();
        var entries = new ArrayList<String>();
        entries.add(entry("last", ""));
        for (var life : LIVES)
            entries.add(entry("of-" + life, ", \"not_after\": \"%s\"".formatted(Instant.now().plusSeconds(life))));
        var access = folder.resolve("access.yaml");
        Files.writeString(
                access,
                "{\"authentication\": {\"tokens\": [%s]}, \"grants\": [{\"principals\": [\"ada\"], \"roles\": [\"client\"]}]}"
                        .formatted(String.join(", ", entries)));
        tls = TlsChannelCredentials.newBuilder()
                .trustManager(folder.resolve("ca.pem").toFile())
                .build();
        return TestServer.overTls(folder, folder, "--access", access.toString());
    }

    private Client connect(Supplier<String> token) {
        var credentials = CompositeChannelCredentials.create(tls, new Token(token));
        var channel = Grpc.newChannelBuilder(server.address(), credentials).build();
        return new Client(channel, "ada", Duration.ofSeconds(20), Duration.ofSeconds(30));
    }

    /** How a token is renewed: whoever reads finds the one or the other. */
    private void replace(String token) throws IOException {
        var next = Files.writeString(folder.resolve("token.new"), token);
        Files.move(next, folder.resolve("token"), StandardCopyOption.ATOMIC_MOVE);
    }

    private boolean isRefused(Client client) {
        try {
            client.get("watched");
            return false;
        } catch (ConcordException failure) {
            return failure.reason().equals("UNAUTHENTICATED");
        }
    }

    @Test
    void aWatchGoesOnWithTheNextTokenWhenItsOwnExpires() throws Exception {
        var asked = new AtomicInteger();
        server = serve();
        try (var last = connect(() -> "last");
                var watcher = connect(() -> {
                    asked.incrementAndGet();
                    try {
                        return Files.readString(folder.resolve("token"));
                    } catch (IOException error) {
                        throw new UncheckedIOException(error);
                    }
                })) {
            last.create(CreateWorkflowRequest.newBuilder().setWorkflowId("watched").build());
            watchBeyondAToken(watcher, last, asked);
        } finally {
            server.close();
        }
    }

    private void watchBeyondAToken(Client watcher, Client last, AtomicInteger asked) throws Exception {
        var request = WatchWorkflowEventsRequest.newBuilder().setWorkflowId("watched").build();
        for (var life : LIVES) {
            replace("of-" + life);
            try (var events = watcher.watch(request);
                    var same = connect(() -> "of-" + life)) {
                try {
                    assertEquals(1, events.next().getVersion());
                } catch (ConcordException failure) {
                    assertEquals("UNAUTHENTICATED", failure.reason());
                    continue;
                }
                var askedBefore = asked.get();
                replace("last");
                TestServer.until("the token expires", () -> isRefused(same));
                last.transition(TransitionWorkflowRequest.newBuilder()
                        .setWorkflowId("watched")
                        .setTargetState(WorkflowState.WORKFLOW_STATE_ACTIVE)
                        .setReason("a test")
                        .build());
                assertEquals(2, events.next().getVersion());
                assertTrue(asked.get() > askedBefore, "another stream, with another token");
                return;
            }
        }
        throw new AssertionError("each token had expired before anything could be asked");
    }
}
