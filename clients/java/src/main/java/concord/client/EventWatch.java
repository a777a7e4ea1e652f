package concord.client;

import concord.workflow.v1.WatchWorkflowEventsRequest;
import concord.workflow.v1.WatchWorkflowEventsResponse;
import concord.workflow.v1.WorkflowEvent;
import concord.workflow.v1.WorkflowServiceGrpc.WorkflowServiceBlockingStub;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * Every matching event, once each, in order, until it is closed, however often the stream ends. Keep the sequence of the last one that you have
 * dealt with, and begin with it after a restart. Throws {@link ConcordException} where no later stream could do better, such as
 * REVISION_COMPACTED, if the events after this sequence were purged. For one thread; {@link #close} for any.
 */
public final class EventWatch implements Iterator<WorkflowEvent>, AutoCloseable {
    private final WorkflowServiceBlockingStub stub;
    private final WatchWorkflowEventsRequest.Builder request;
    private final Context.CancellableContext open = Context.current().withCancellation();
    private Iterator<WatchWorkflowEventsResponse> stream;
    private Pauses pauses = new Pauses();
    /** Of the stream: something has come. */
    private boolean isOpen;

    EventWatch(WorkflowServiceBlockingStub stub, WatchWorkflowEventsRequest request) {
        this.stub = stub;
        this.request = request.toBuilder().setAfterSequence(request.getAfterSequence());
    }

    @Override
    public boolean hasNext() {
        return !open.isCancelled();
    }

    @Override
    public WorkflowEvent next() {
        while (hasNext()) {
            var atLeast = Duration.ZERO;
            if (stream == null) {
                isOpen = false;
                open.run(() -> stream = stub.watchWorkflowEvents(request.build()));
            }
            try {
                while (stream.hasNext()) {
                    var message = stream.next();
                    isOpen = true;
                    pauses = new Pauses();
                    if (message.hasEvent()) {
                        request.setAfterSequence(message.getEvent().getSequence());
                        return message.getEvent();
                    }
                    request.setAfterSequence(Math.max(request.getAfterSequence(), message.getProgress().getSequence()));
                }
            } catch (StatusRuntimeException error) {
                var failure = ConcordException.of(error);
                // What has proved who watches has ended: there may be another proof already.
                var hasExpired = isOpen && failure.reason().equals("UNAUTHENTICATED");
                if (!failure.mayRepeat() && !hasExpired) throw failure;
                atLeast = failure.retryAfter();
            }
            stream = null;
            if (hasNext()) Calls.pause(stub, pauses.next(atLeast));
        }
        throw new NoSuchElementException("the watch is closed");
    }

    @Override
    public void close() {
        open.cancel(null);
    }
}
