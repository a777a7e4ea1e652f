package concord.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import concord.client.Advice.Outcome;
import concord.client.Advice.Retry;
import concord.error.v1.ErrorReason;
import io.grpc.Status.Code;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ReasonsTest {
    @Test
    void theTableIsThatOfTheDocumentation() throws Exception {
        var page = Files.readString(TestServer.ROOT.resolve("docs/retries.md"));
        var rows = Pattern.compile("^\\| ([A-Z_]+) \\| [A-Z_, or]+ \\| ([a-z ]+) \\| ([a-z]+) \\|$", Pattern.MULTILINE).matcher(page);
        var documented = new HashMap<String, Advice>();
        while (rows.find()) {
            var outcome = Outcome.valueOf(rows.group(2).toUpperCase().replace(' ', '_'));
            documented.put(rows.group(1), new Advice(outcome, Retry.valueOf(rows.group(3).toUpperCase())));
        }
        assertEquals(documented, Reasons.ADVICE);
    }

    @Test
    void whatConcordHasNotAnsweredIsForTheSameRequestAgain() {
        var codes = List.of(Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.UNKNOWN, Code.INTERNAL);
        for (var code : codes) {
            var failure = ConcordException.of(code.toStatus().withDescription("channel closed").asRuntimeException());
            assertEquals(new Advice(Outcome.UNKNOWN, Retry.SAME), failure.advice(), code.name());
        }
    }

    @Test
    void eachReasonOfTheContractHasAnAdvice() {
        var named = new TreeSet<String>();
        for (var value : ErrorReason.getDescriptor().getValues()) {
            if (value.getNumber() != 0) named.add(value.getName().replaceFirst("^ERROR_REASON_", ""));
        }
        assertEquals(named, Reasons.ADVICE.keySet());
    }
}
