package concord.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReadmeTest {
    @Test
    void theProgramOfTheReadmeRuns(@TempDir Path folder) throws Exception {
        var program = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(Path.of("README.md")));
        assertEquals(true, program.find());
        try (var server = new TestServer(folder)) {
            var file = folder.resolve("Notes.java");
            Files.writeString(file, program.group(1).replace("127.0.0.1:50051", server.address()));
            var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
            var run = new ProcessBuilder(java, "-cp", System.getProperty("java.class.path"), file.toString())
                    .directory(folder.toFile())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            assertEquals("1 \n2 begin\n", new String(run.getInputStream().readAllBytes()));
            assertEquals(0, run.waitFor());
        }
    }
}
