package concord.client.participant;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** One process has a database, and one participant in it. */
final class DatabaseLock implements AutoCloseable {
    /** Whoever closes a file ends all locks that the process has on it, so what is held here is not opened again. */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path path;
    private final FileChannel file;

    /** Throws IllegalStateException if it is in use. */
    DatabaseLock(Path database) throws IOException {
        path = database.toAbsolutePath().getParent().toRealPath().resolve(database.getFileName() + ".lock");
        if (!HELD.add(path)) throw inUse(database);
        FileChannel opened = null;
        try {
            opened = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            if (opened.tryLock() == null) throw inUse(database);
            file = opened;
        } catch (Throwable failure) {
            if (opened != null) opened.close();
            HELD.remove(path);
            throw failure;
        }
    }

    private static IllegalStateException inUse(Path database) {
        return new IllegalStateException(database + " is in use by another participant");
    }

    @Override
    public void close() throws IOException {
        if (!file.isOpen()) return;
        file.close();
        HELD.remove(path);
    }
}
