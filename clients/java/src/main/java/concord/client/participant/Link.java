package concord.client.participant;

import concord.client.ConcordException;
import concord.client.Pauses;
import concord.commit.v1.Hello;
import concord.commit.v1.TwoPhaseCommitGrpc;
import concord.commit.v1.TwoPhaseCommitGrpc.TwoPhaseCommitStub;
import io.grpc.ManagedChannel;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;

/** Keeps a session with one coordinator: for ever, until it is closed. */
final class Link {
    private static final System.Logger LOGGER = System.getLogger("concord.participant");

    private final ManagedChannel channel;
    private final Function<TwoPhaseCommitStub, Session> openSession;
    private final Supplier<Hello.Builder> hello;
    private final CountDownLatch closed = new CountDownLatch(1);
    private final Thread thread;
    private volatile Session session;

    Link(ManagedChannel channel, Function<TwoPhaseCommitStub, Session> openSession, Supplier<Hello.Builder> hello) {
        this.channel = channel;
        this.openSession = openSession;
        this.hello = hello;
        thread = new Thread(this::run, "concord " + channel.authority());
        thread.setDaemon(true);
        thread.start();
    }

    /** Returns when Goodbye is said. */
    void close() {
        closed.countDown();
        var open = session;
        if (open != null) open.leave();
        var isInterrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException interrupted) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) Thread.currentThread().interrupt();
        channel.shutdownNow();
    }

    private void run() {
        try {
            keep(TwoPhaseCommitGrpc.newStub(channel));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void keep(TwoPhaseCommitStub stub) throws InterruptedException {
        var pauses = new Pauses();
        var told = "";
        while (closed.getCount() > 0) {
            session = openSession.apply(stub);
            if (closed.getCount() == 0) return;
            Exception failure = null;
            // The pauses are ours.
            channel.resetConnectBackoff();
            try {
                session.run(hello.get());
            } catch (InterruptedException interrupted) {
                throw interrupted;
            } catch (Exception ended) {
                failure = ended;
            }
            if (session.isWelcomed()) {
                pauses = new Pauses();
                told = "";
            }
            var pause = pauses.next(session.reconnectAfter());
            if (isHopeless(failure)) {
                if (!failure.toString().equals(told)) {
                    LOGGER.log(Level.ERROR, "coordinator {0} will not do: {1}", channel.authority(), failure);
                }
                told = failure.toString();
                pause = Duration.ofMillis(ThreadLocalRandom.current().nextLong(30_000, 60_000));
            } else if (failure != null) {
                LOGGER.log(Level.INFO, "the session with {0} has ended: {1}", channel.authority(), failure);
            }
            closed.await(pause.toNanos(), TimeUnit.NANOSECONDS);
        }
    }

    /** What comes again, whatever is tried. */
    private static boolean isHopeless(Exception failure) {
        if (failure instanceof LogWentBack) return true;
        if (!(failure instanceof ConcordException answered)) return false;
        return switch (answered.code()) {
            case FAILED_PRECONDITION, INVALID_ARGUMENT, UNIMPLEMENTED, PERMISSION_DENIED, UNAUTHENTICATED -> true;
            default -> false;
        };
    }
}
