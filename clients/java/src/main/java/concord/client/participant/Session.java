package concord.client.participant;

import concord.client.ConcordException;
import concord.commit.v1.Decision;
import concord.commit.v1.Goodbye;
import concord.commit.v1.Hello;
import concord.commit.v1.InDoubt;
import concord.commit.v1.Inquiry;
import concord.commit.v1.Nack;
import concord.commit.v1.ParticipateRequest;
import concord.commit.v1.ParticipateResponse;
import concord.commit.v1.TwoPhaseCommitGrpc.TwoPhaseCommitStub;
import concord.commit.v1.Welcome;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** One stream to a coordinator, from Hello to its end. */
final class Session {
    private static final System.Logger LOGGER = System.getLogger("concord.participant");

    /** As many as Hello may have. The others are asked about after Welcome. */
    private static final int IN_DOUBT_MAX = 10_000;

    /** Rival processes with one id are kept waiting for up to 5 s. */
    private static final Duration WELCOME_WITHIN = Duration.ofSeconds(15);

    /** What has arrived while this process stood still is read before the other side is called silent. */
    private static final Duration STOOD_STILL_FOR = Duration.ofSeconds(1);

    /** A coordinator has sent again by then whatever it has not heard the end of, so that old outcomes may be forgotten. */
    private static final Duration SOUND_AFTER = Duration.ofMinutes(5);

    /** For the last word to be heard. */
    private static final Duration GOODBYE_WITHIN = Duration.ofSeconds(5);

    /** Between attempts to carry out a decision. */
    private static final Duration AGAIN_MIN = Duration.ofMillis(100);
    private static final Duration AGAIN_MAX = Duration.ofSeconds(30);

    /** Beside messages, and failures of the stream. */
    private enum Signal { END, LEAVE }

    /** A decision that could not be carried out yet. */
    private record Overdue(long sequence, Decision decision, long atNanos, Duration pause) {}

    private final TwoPhaseCommitStub stub;
    private final ScheduledExecutorService timer;
    private final ParticipantLog log;
    private final Steps steps;
    private final BlockingQueue<Object> incoming = new LinkedBlockingQueue<>();
    private final Map<String, Overdue> again = new HashMap<>();
    private Outgoing outgoing;
    private String coordinatorId = "";
    private volatile boolean isLeaving;
    private Duration reconnectAfter = Duration.ZERO;

    Session(TwoPhaseCommitStub stub, ScheduledExecutorService timer, ParticipantLog log, Steps steps) {
        this.stub = stub;
        this.timer = timer;
        this.log = log;
        this.steps = steps;
    }

    /** From any thread. */
    void leave() {
        isLeaving = true;
        incoming.add(Signal.LEAVE);
    }

    /** Once it was opened. */
    boolean isWelcomed() {
        return !coordinatorId.isEmpty();
    }

    /** How long to stay away after its end, if the coordinator has said so. */
    Duration reconnectAfter() {
        return reconnectAfter;
    }

    /** Returns when it has left, or its stream has ended in order. */
    void run(Hello.Builder hello) throws Exception {
        var inDoubt = log.inDoubt();
        var asked = Math.min(inDoubt.size(), IN_DOUBT_MAX);
        outgoing = new Outgoing((ClientCallStreamObserver<ParticipateRequest>) stub.participate(new Reader()));
        try {
            outgoing.say(ParticipateRequest.newBuilder().setHello(hello.addAllInDoubt(inDoubt.subList(0, asked))));
            var first = welcome();
            if (first != null) converse(first, inDoubt.subList(asked, inDoubt.size()));
        } finally {
            outgoing.cancel();
        }
    }

    private final class Reader implements StreamObserver<ParticipateResponse> {
        @Override
        public void onNext(ParticipateResponse message) {
            incoming.add(message);
        }

        @Override
        public void onError(Throwable error) {
            var failure = error instanceof StatusRuntimeException known ? known : Status.fromThrowable(error).asRuntimeException();
            incoming.add(ConcordException.of(failure));
        }

        @Override
        public void onCompleted() {
            incoming.add(Signal.END);
        }
    }

    /** Null if none comes. */
    private ParticipateResponse welcome() throws InterruptedException {
        while (next(WELCOME_WITHIN) instanceof ParticipateResponse message) {
            if (message.hasWelcome()) return message;
            outgoing.nack(Nack.newBuilder().setSequence(message.getSequence()).setReason("it came before Welcome"));
        }
        return null;
    }

    private void converse(ParticipateResponse first, List<InDoubt> askedLater) throws Exception {
        var welcome = first.getWelcome();
        open(first.getSequence(), welcome);
        var interval = Math.max(1, nanos(welcome.getHeartbeatInterval()));
        var beats = timer.scheduleAtFixedRate(outgoing::beat, interval, interval, TimeUnit.NANOSECONDS);
        try {
            for (var each : askedLater) {
                if (!each.getCoordinatorId().equals(coordinatorId)) continue;
                var inquiry = Inquiry.newBuilder().setTransactionId(each.getTransactionId()).setCoordinatorId(coordinatorId);
                outgoing.say(ParticipateRequest.newBuilder().setInquiry(inquiry));
            }
            listen(Duration.ofNanos(nanos(welcome.getSessionTimeout())));
        } finally {
            beats.cancel(false);
        }
    }

    /** Writes down whom it is from, before anything is believed. */
    private void open(long sequence, Welcome welcome) throws Exception {
        var id = welcome.getCoordinatorId();
        var claims = welcome.getClaimsList();
        var seen = log.transaction(() -> {
            var known = log.seen(id);
            if (Claims.goOnFrom(known, claims) && !claims.isEmpty()) log.writeSeen(id, claims.get(0));
            return known;
        });
        if (!Claims.goOnFrom(seen, claims)) {
            var reason = "the decision log is older than what was seen of it";
            outgoing.nack(Nack.newBuilder().setSequence(sequence).setReason(reason).setClaimSeen(seen));
            hangUp();
            throw new LogWentBack(id, seen);
        }
        coordinatorId = id;
        outgoing.handled(sequence);
        LOGGER.log(Level.INFO, "in session with coordinator {0}, epoch {1}", id, Long.toUnsignedString(welcome.getCoordinatorEpoch()));
    }

    private void listen(Duration silence) throws Exception {
        var begun = System.nanoTime();
        var hasForgotten = false;
        while (!isLeaving) {
            var message = next(silence);
            if (message == Signal.END) return;
            if (message instanceof ParticipateResponse response) handle(response);
            if (!hasForgotten && System.nanoTime() - begun >= SOUND_AFTER.toNanos()) {
                log.forget(coordinatorId);
                hasForgotten = true;
            }
        }
        sayGoodbye();
    }

    /** The next message, or a signal. Carries out again what is due meanwhile. */
    private Object next(Duration silence) throws InterruptedException {
        var ends = System.nanoTime() + silence.toNanos();
        var hasStoodStill = false;
        while (true) {
            var now = System.nanoTime();
            var wait = ends - now;
            for (var each : again.values()) wait = Math.min(wait, each.atNanos() - now);
            var message = incoming.poll(wait, TimeUnit.NANOSECONDS);
            if (message instanceof ConcordException failure) throw failure;
            if (message != null) return message;
            carryOutDue();
            if (System.nanoTime() - ends < 0) continue;
            if (hasStoodStill) {
                throw ConcordException.of(Status.DEADLINE_EXCEEDED.withDescription("the coordinator is silent").asRuntimeException());
            }
            hasStoodStill = true;
            ends = System.nanoTime() + STOOD_STILL_FOR.toNanos();
        }
    }

    private void handle(ParticipateResponse message) {
        var sequence = message.getSequence();
        switch (message.getBodyCase()) {
            case PREPARE -> {
                try {
                    outgoing.say(steps.prepare(message.getPrepare(), coordinatorId, isLeaving));
                } catch (Exception failure) {
                    refuse(sequence, failure);
                }
            }
            case DECISION -> decide(sequence, message.getDecision(), AGAIN_MIN);
            case GO_AWAY -> reconnectAfter = Duration.ofNanos(nanos(message.getGoAway().getReconnectAfter()));
            case NACK -> {
                var nack = message.getNack();
                LOGGER.log(Level.WARNING, "the coordinator did not take message {0}: {1}", nack.getSequence(), nack.getReason());
            }
            case HEARTBEAT -> {}
            default -> refuse(sequence, new Refused("its kind is not known"));
        }
        outgoing.handled(sequence);
    }

    /** Nothing of it was written. The coordinator asks again, or aborts what has not voted. */
    private void refuse(long sequence, Exception failure) {
        LOGGER.log(Level.WARNING, "a message is not taken", failure);
        var reason = failure instanceof Refused ? failure.getMessage() : "it could not be handled";
        outgoing.nack(Nack.newBuilder().setSequence(sequence).setReason(reason));
    }

    /** Tries again after a pause what could not be done: a promise binds. */
    private void decide(long sequence, Decision decision, Duration pause) {
        var transactionId = decision.getTransactionId();
        again.remove(transactionId);
        try {
            outgoing.say(steps.decide(decision, coordinatorId));
        } catch (Refused refused) {
            refuse(sequence, refused);
        } catch (Exception failure) {
            LOGGER.log(Level.ERROR, "a promise could not be kept yet: transaction " + transactionId, failure);
            var longer = pause.multipliedBy(2);
            var next = longer.compareTo(AGAIN_MAX) < 0 ? longer : AGAIN_MAX;
            again.put(transactionId, new Overdue(sequence, decision, System.nanoTime() + pause.toNanos(), next));
        }
    }

    private void carryOutDue() {
        for (var each : List.copyOf(again.values())) {
            if (each.atNanos() - System.nanoTime() <= 0) decide(each.sequence(), each.decision(), each.pause());
        }
    }

    /** What has arrived is answered, new work with a no. What is prepared stays prepared. */
    private void sayGoodbye() throws InterruptedException {
        outgoing.say(ParticipateRequest.newBuilder().setGoodbye(Goodbye.newBuilder().setReason("the participant is closed")));
        for (var next = incoming.poll(); next != null; next = incoming.poll()) {
            if (next == Signal.END || next instanceof ConcordException) return;
            if (next instanceof ParticipateResponse message) handle(message);
        }
        hangUp();
    }

    /** Ends this side, and waits until the other has read what was said last. */
    private void hangUp() throws InterruptedException {
        outgoing.end();
        var ends = System.nanoTime() + GOODBYE_WITHIN.toNanos();
        while (System.nanoTime() - ends < 0) {
            var next = incoming.poll(ends - System.nanoTime(), TimeUnit.NANOSECONDS);
            if (next == Signal.END || next instanceof ConcordException) return;
        }
    }

    private static long nanos(com.google.protobuf.Duration duration) {
        return Duration.ofSeconds(duration.getSeconds(), duration.getNanos()).toNanos();
    }
}
