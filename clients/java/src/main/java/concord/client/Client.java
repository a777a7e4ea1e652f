package concord.client;

import com.google.protobuf.Message;
import concord.commit.v1.TwoPhaseCommitGrpc;
import concord.commit.v1.TwoPhaseCommitGrpc.TwoPhaseCommitBlockingStub;
import concord.predicate.v1.PredicateLogicGrpc;
import concord.predicate.v1.PredicateLogicGrpc.PredicateLogicBlockingStub;
import concord.workflow.v1.CreateWorkflowRequest;
import concord.workflow.v1.GetWorkflowRequest;
import concord.workflow.v1.IfExists;
import concord.workflow.v1.TransitionWorkflowRequest;
import concord.workflow.v1.UpdateWorkflowMetadataRequest;
import concord.workflow.v1.WatchWorkflowEventsRequest;
import concord.workflow.v1.Workflow;
import concord.workflow.v1.WorkflowServiceGrpc;
import concord.workflow.v1.WorkflowServiceGrpc.WorkflowServiceBlockingStub;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.stub.AbstractStub;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;

/** Workflows, with retries, optimistic changes and resumed watches. What is not here, {@link #call} does with any stub's method. Thread-safe. */
public final class Client implements AutoCloseable {
    public final WorkflowServiceBlockingStub workflows;
    public final PredicateLogicBlockingStub rules;
    public final TwoPhaseCommitBlockingStub transactions;
    private final ManagedChannel channel;
    private final String requestedBy;
    private final Duration timeout;
    private final Duration retryFor;

    /** {@code requestedBy} stands in each event. */
    public Client(String address, String requestedBy) {
        this(
                Grpc.newChannelBuilder(address, InsecureChannelCredentials.create())
                        // None of those that the environment names for the web.
                        .proxyDetector(target -> null)
                        // A stream that is cut off silently is noticed.
                        .keepAliveTime(30, TimeUnit.SECONDS)
                        .build(),
                requestedBy, Duration.ofSeconds(10), Duration.ofSeconds(30));
    }

    /** {@code timeout} is that of one attempt, {@code retryFor} that of all of them together. The channel is closed with the client. */
    public Client(ManagedChannel channel, String requestedBy, Duration timeout, Duration retryFor) {
        this.channel = channel;
        this.requestedBy = requestedBy;
        this.timeout = timeout;
        this.retryFor = retryFor;
        workflows = WorkflowServiceGrpc.newBlockingStub(channel);
        rules = PredicateLogicGrpc.newBlockingStub(channel);
        transactions = TwoPhaseCommitGrpc.newBlockingStub(channel);
    }

    /** Any unary RPC: {@code call(client.transactions, TwoPhaseCommitBlockingStub::getTransaction, request)}. A change gets a request id, if it has none. */
    public <S extends AbstractStub<S>, Q extends Message, A> A call(S stub, BiFunction<S, Q, A> method, Q request) {
        return Calls.call(stub, method, request, timeout, retryFor);
    }

    /** Returns the one that is there if it is the same, so it may be called again after a crash. */
    public Workflow create(CreateWorkflowRequest request) {
        var asked = request.toBuilder().setRequestedBy(requestedBy).setIfExists(IfExists.IF_EXISTS_RETURN).build();
        return call(workflows, WorkflowServiceBlockingStub::createWorkflow, asked).getWorkflow();
    }

    public Workflow get(String workflowId) {
        var asked = GetWorkflowRequest.newBuilder().setWorkflowId(workflowId).build();
        return call(workflows, WorkflowServiceBlockingStub::getWorkflow, asked).getWorkflow();
    }

    /** What is enlisted in the request is committed with the move, or nothing is. */
    public Workflow transition(TransitionWorkflowRequest request) {
        var asked = request.toBuilder().setRequestedBy(requestedBy).build();
        return call(workflows, WorkflowServiceBlockingStub::transitionWorkflow, asked).getWorkflow();
    }

    /** Changes the metadata of a workflow. */
    public Workflow update(UpdateWorkflowMetadataRequest request) {
        var asked = request.toBuilder().setRequestedBy(requestedBy).build();
        return call(workflows, WorkflowServiceBlockingStub::updateWorkflowMetadata, asked).getWorkflow();
    }

    /**
     * Reads the workflow and has {@code change} do something with it that expects its version, such as {@link #transition} or {@link #update}; if
     * somebody was faster, it begins again. {@code change} may be called several times.
     */
    public Workflow change(String workflowId, UnaryOperator<Workflow> change) {
        while (true) {
            try {
                return change.apply(get(workflowId));
            } catch (ConcordException failure) {
                if (!failure.reason().equals("VERSION_MISMATCH")) throw failure;
            }
        }
    }

    /** Begins behind {@code after_sequence} of the request, or with the first event. */
    public EventWatch watch(WatchWorkflowEventsRequest request) {
        return new EventWatch(workflows, request);
    }

    /** Ends what is under way. */
    @Override
    public void close() {
        channel.shutdownNow();
    }
}
