package concord.client;

import com.google.protobuf.Message;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.AbstractStub;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;

/** Calls that are tried again where the table says `same`, with the request id that makes it safe. */
final class Calls {
    private Calls() {}

    /** Throws the last failure, if no attempt could begin in time. */
    static <S extends AbstractStub<S>, Q extends Message, A> A call(
            S stub, BiFunction<S, Q, A> method, Q request, Duration timeout, Duration retryFor) {
        var identified = withRequestId(request);
        var ends = System.nanoTime() + retryFor.toNanos();
        for (var pauses = new Pauses(); ; ) {
            try {
                return method.apply(stub.withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS), identified);
            } catch (StatusRuntimeException error) {
                var failure = ConcordException.of(error);
                var pause = pauses.next(failure.retryAfter());
                if (!failure.mayRepeat() || System.nanoTime() + pause.toNanos() - ends > 0) throw failure;
                pause(stub, pause);
            }
        }
    }

    /** Then it connects at once, for the pause was ours. A thread that is interrupted ends as a call does that is cancelled. */
    static void pause(AbstractStub<?> stub, Duration pause) {
        try {
            TimeUnit.NANOSECONDS.sleep(pause.toNanos());
            if (stub.getChannel() instanceof ManagedChannel channel) channel.resetConnectBackoff();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw ConcordException.of(Status.CANCELLED.withDescription("interrupted").withCause(interrupted).asRuntimeException());
        }
    }

    /** Of a change: the same for all attempts. */
    @SuppressWarnings("unchecked")
    private static <Q extends Message> Q withRequestId(Q request) {
        var field = request.getDescriptorForType().findFieldByName("request_id");
        if (field == null || !request.getField(field).equals("")) return request;
        return (Q) request.toBuilder().setField(field, UUID.randomUUID().toString()).build();
    }
}
