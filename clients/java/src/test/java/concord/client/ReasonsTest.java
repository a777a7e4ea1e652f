package concord.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import concord.client.Advice.Outcome;
import concord.client.Advice.Retry;
import concord.error.v1.ErrorReason;
import java.nio.file.Files;
import java.util.HashMap;
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
    void eachReasonOfTheContractHasAnAdvice() {
        var named = new TreeSet<String>();
        for (var value : ErrorReason.getDescriptor().getValues()) {
            if (value.getNumber() != 0) named.add(value.getName().replaceFirst("^ERROR_REASON_", ""));
        }
        assertEquals(named, Reasons.ADVICE.keySet());
    }
}
