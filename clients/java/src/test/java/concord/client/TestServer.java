package concord.client;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;

/** A real server, {@code bin/concord} of this clone, on loopback. */
public final class TestServer implements AutoCloseable {
    public static final Path ROOT = Path.of("../..").toAbsolutePath().normalize();
    public static final String CONCORD = ROOT.resolve("bin/concord").toString();
    private static final Pattern SERVING = Pattern.compile("\"listen\":\"([^\"]+)\".*\"msg\":\"serving\"");

    public final Path data;
    private String address = "127.0.0.1:0";
    private final List<String> flags;
    private Process process;

    public TestServer(Path folder, String... flags) throws IOException {
        data = folder.resolve("server");
        this.flags = List.of(flags);
        start();
    }

    /** Over TLS, with certificates of {@code concord dev-certs} in the folder {@code certs}. */
    public static TestServer overTls(Path folder, Path certs, String... flags) throws IOException {
        var words = new ArrayList<>(List.of(
                "--tls-cert",
                certs.resolve("server.pem").toString(),
                "--tls-key",
                certs.resolve("server-key.pem").toString()));
        words.addAll(List.of(flags));
        return new TestServer(folder, words.toArray(String[]::new));
    }

    public String address() {
        return address;
    }

    /** Where it was before, if it was. */
    public void start() throws IOException {
        var words = new ArrayList<>(
                List.of(CONCORD, "serve", "--listen", address, "--data-dir", data.toString(), "--log-format", "json"));
        words.addAll(flags);
        var serve = new ProcessBuilder(words);
        process = serve.redirectErrorStream(true).start();
        var lines = process.inputReader();
        for (var line = lines.readLine(); line != null; line = lines.readLine()) {
            var serving = SERVING.matcher(line);
            if (!serving.find()) continue;
            address = serving.group(1);
            // It must not wait for its log to be read.
            var reader = new Thread(() -> skip(lines));
            reader.setDaemon(true);
            reader.start();
            return;
        }
        throw new IllegalStateException("concord serve has ended");
    }

    private static void skip(BufferedReader lines) {
        try {
            while (lines.readLine() != null) {}
        } catch (IOException closed) {
            // It was killed.
        }
    }

    public void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** In order. One that was killed stays so. */
    public void stop() throws InterruptedException {
        process.destroy();
        process.waitFor();
    }

    @Override
    public void close() throws InterruptedException {
        stop();
    }

    /** Polls: the time is for what hangs, not for what is slow. */
    public static void until(String what, Callable<Boolean> holds) throws Exception {
        var ends = System.nanoTime() + 60_000_000_000L;
        while (!holds.call()) {
            if (System.nanoTime() - ends > 0) throw new AssertionError("never: " + what);
            Thread.sleep(20);
        }
    }
}
