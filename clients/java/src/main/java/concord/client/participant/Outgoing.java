package concord.client.participant;

import com.google.protobuf.Timestamp;
import concord.commit.v1.Heartbeat;
import concord.commit.v1.Nack;
import concord.commit.v1.ParticipateRequest;
import io.grpc.stub.ClientCallStreamObserver;
import java.time.Instant;

/** What this side says on a stream, in order, from any thread. What cannot be sent shows where the stream is read: it has ended. */
final class Outgoing {
    private final ClientCallStreamObserver<ParticipateRequest> stream;
    private long sequence;
    private boolean hasEnded;
    private long handled;

    Outgoing(ClientCallStreamObserver<ParticipateRequest> stream) {
        this.stream = stream;
    }

    synchronized void say(ParticipateRequest.Builder message) {
        if (!hasEnded) stream.onNext(message.setSequence(++sequence).build());
    }

    void nack(Nack.Builder nack) {
        say(ParticipateRequest.newBuilder().setNack(nack));
    }

    synchronized void beat() {
        var now = Instant.now();
        var sentAt = Timestamp.newBuilder().setSeconds(now.getEpochSecond()).setNanos(now.getNano());
        say(ParticipateRequest.newBuilder().setHeartbeat(Heartbeat.newBuilder().setSentAt(sentAt).setLastSequenceSeen(handled)));
    }

    /** The sequence of the last message that was handled. */
    synchronized void handled(long sequence) {
        handled = sequence;
    }

    /** Half-closes the stream behind what was said before. */
    synchronized void end() {
        if (!hasEnded) stream.onCompleted();
        hasEnded = true;
    }

    synchronized void cancel() {
        hasEnded = true;
        stream.cancel("the session has ended", null);
    }
}
