package concord.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import concord.client.Advice.Outcome;
import concord.client.Advice.Retry;
import concord.workflow.v1.CreateWorkflowRequest;
import concord.workflow.v1.TransitionWorkflowRequest;
import concord.workflow.v1.UpdateWorkflowMetadataRequest;
import concord.workflow.v1.WatchWorkflowEventsRequest;
import concord.workflow.v1.Workflow;
import concord.workflow.v1.WorkflowState;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClientTest {
    @TempDir
    static Path folder;
    static TestServer server;
    static Client client;

    @BeforeAll
    static void connect() throws Exception {
        server = new TestServer(folder);
        client = new Client(server.address(), "ada");
    }

    @AfterAll
    static void disconnect() throws Exception {
        client.close();
        server.close();
    }

    private static CreateWorkflowRequest named(String workflowId) {
        return CreateWorkflowRequest.newBuilder().setWorkflowId(workflowId).build();
    }

    private static TransitionWorkflowRequest move(String workflowId, String to) {
        return TransitionWorkflowRequest.newBuilder()
                .setWorkflowId(workflowId)
                .setTargetState(WorkflowState.valueOf("WORKFLOW_STATE_" + to))
                .setReason("a test")
                .build();
    }

    private static Struct count(double count) {
        return Struct.newBuilder().putFields("count", Value.newBuilder().setNumberValue(count).build()).build();
    }

    @Test
    void aRefusalSaysWhyAndIsNotRepeated() {
        client.create(named("refused"));
        assertEquals(1, client.create(named("refused")).getVersion());
        var early = assertThrows(ConcordException.class, () -> client.transition(move("refused", "COMPLETED")));
        assertEquals("INVALID_TRANSITION", early.reason());
        assertEquals("ACTIVE", early.metadata().get("allowed"));
        assertEquals(new Advice(Outcome.NOT_DONE, Retry.ANEW), early.advice());
        var misspelt = assertThrows(ConcordException.class, () -> client.transition(move("re fused", "ACTIVE")));
        assertTrue(misspelt.violations().get(0).startsWith("workflow_id: "), misspelt.violations().toString());
    }

    @Test
    void changesOfManyAtOnceAreAllMade() {
        client.create(named("counter").toBuilder().setMetadata(count(0)).build());
        Runnable addFive = () -> {
            for (var i = 0; i < 5; i++) client.change("counter", ClientTest::addOne);
        };
        CompletableFuture.allOf(Stream.generate(() -> CompletableFuture.runAsync(addFive, task -> new Thread(task).start()))
                        .limit(4)
                        .toArray(CompletableFuture[]::new))
                .join();
        var counter = client.get("counter");
        assertEquals(20, counter.getMetadata().getFieldsOrThrow("count").getNumberValue());
        assertEquals(21, counter.getVersion());
    }

    private static Workflow addOne(Workflow workflow) {
        return client.update(UpdateWorkflowMetadataRequest.newBuilder()
                .setWorkflowId(workflow.getWorkflowId())
                .setExpectedVersion(workflow.getVersion())
                .setReason("another one")
                .setMetadataPatch(count(workflow.getMetadata().getFieldsOrThrow("count").getNumberValue() + 1))
                .build());
    }

    @Test
    void aCallOutlivesAKillOfTheServerAndIsMadeOnce() throws Exception {
        client.create(named("killed"));
        server.kill();
        var back = CompletableFuture.runAsync(() -> {
            try {
                server.start();
            } catch (Exception failure) {
                throw new AssertionError(failure);
            }
        });
        var once = move("killed", "ACTIVE").toBuilder().setRequestId("once").build();
        assertEquals(2, client.transition(once).getVersion());
        back.join();
        assertEquals(2, client.transition(once).getVersion());
    }

    @Test
    void whoHasNoTimeLeftHearsThatTheOutcomeIsUnknown() throws Exception {
        server.kill();
        var channel = Grpc.newChannelBuilder(server.address(), InsecureChannelCredentials.create()).build();
        try (var hasty = new Client(channel, "ada", Duration.ofSeconds(10), Duration.ZERO)) {
            var failure = assertThrows(ConcordException.class, () -> hasty.create(named("hasty")));
            assertEquals("", failure.reason());
            assertEquals(new Advice(Outcome.UNKNOWN, Retry.SAME), failure.advice());
        } finally {
            server.start();
        }
    }

    @Test
    void aWatchGoesOnWhereItWasAfterAKill() throws Exception {
        client.create(named("watched"));
        try (var events = client.watch(WatchWorkflowEventsRequest.newBuilder().setWorkflowId("watched").build())) {
            assertEquals(1, events.next().getVersion());
            client.transition(move("watched", "ACTIVE"));
            server.kill();
            server.start();
            client.transition(move("watched", "PAUSED"));
            assertEquals(List.of(2L, 3L), List.of(events.next().getVersion(), events.next().getVersion()));
        }
    }

    @Test
    void aWatchThatNoLaterStreamCouldGoOnWithSaysSo() {
        try (var events = client.watch(WatchWorkflowEventsRequest.newBuilder().setFilter("event.nonsense +").build())) {
            assertEquals("INVALID_REQUEST", assertThrows(ConcordException.class, events::next).reason());
        }
    }

    @Test
    void aWatchEndsWhenItIsClosed() throws Exception {
        client.create(named("closed"));
        var events = client.watch(WatchWorkflowEventsRequest.newBuilder().setWorkflowId("closed").build());
        assertEquals(1, events.next().getVersion());
        var waiting = CompletableFuture.runAsync(events::next);
        events.close();
        assertThrows(Exception.class, waiting::join);
        assertEquals(false, events.hasNext());
    }
}
