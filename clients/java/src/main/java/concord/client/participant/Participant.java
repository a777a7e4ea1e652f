package concord.client.participant;

import concord.commit.v1.Hello;
import concord.commit.v1.InDoubt;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;

/** Takes part from its construction on until it is closed, through losses of connection and restarts of the coordinators. */
public final class Participant implements AutoCloseable {
    /** Prepares that wait here are in memory; they are handled one by one. */
    private static final int PREPARE_CREDIT = 64;

    private final ParticipantLog log;
    private final ScheduledExecutorService heart = Executors.newSingleThreadScheduledExecutor(Participant::daemon);
    private final List<Link> links;

    /** Without TLS. */
    public Participant(List<String> coordinators, String participantId, Path database, Resource resource)
            throws IOException, SQLException {
        this(coordinators, InsecureChannelCredentials.create(), participantId, database, resource);
    }

    /**
     * {@code coordinators} has the addresses of all that may enlist it, {@code database} is an SQLite file on a local disk, which one process at a
     * time has. IllegalStateException if it is in use, or another participant's.
     */
    public Participant(
            List<String> coordinators, ChannelCredentials credentials, String participantId, Path database, Resource resource)
            throws IOException, SQLException {
        log = new ParticipantLog(database, participantId);
        var steps = new Steps(log, resource);
        var hello = Hello.newBuilder()
                .setParticipantId(participantId)
                .setInstanceId(UUID.randomUUID().toString())
                .setVersionMin(1)
                .setVersionMax(1)
                .setPrepareCredit(PREPARE_CREDIT)
                .build();
        links = coordinators.stream()
                .map(address -> new Link(
                        Grpc.newChannelBuilder(address, credentials).proxyDetector(target -> null).build(),
                        stub -> new Session(stub, heart, log, steps),
                        hello::toBuilder))
                .toList();
    }

    private static Thread daemon(Runnable task) {
        var thread = new Thread(task, "concord heartbeats");
        thread.setDaemon(true);
        return thread;
    }

    /** Transactions that are promised here, and whose outcome is not known yet. */
    public List<String> inDoubt() throws SQLException {
        return log.inDoubt().stream().map(InDoubt::getTransactionId).toList();
    }

    /** Says Goodbye. What is promised stays promised, and is ended after the next start. */
    @Override
    public void close() throws IOException, SQLException {
        links.forEach(Link::close);
        heart.shutdownNow();
        log.close();
    }
}
