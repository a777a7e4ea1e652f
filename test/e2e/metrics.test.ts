import { expect, test } from "vitest";
import { connect } from "../../src/cli/client.ts";
import { startConcord } from "../../src/compose.ts";
import { loadConfig } from "../../src/config.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { temporaryFolder } from "../support/concord.ts";

test("GET /metrics tells what TwoPhaseCommit has done and how large each store is, and nothing else is served there", async () => {
  const data = temporaryFolder();
  const flags = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0", dataDir: data.path };
  const loaded = loadConfig({ flags, environment: {}, file: undefined });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const started = await startConcord({ config: loaded.value.config, logger: createLogger({ level: "silent", format: "json" }) });
  if (!started.ok) throw new Error(started.error.message);
  const channel = openChannel(`127.0.0.1:${started.value.port}`);
  try {
    await connect(channel).commits.executeTransaction({});
    await connect(channel).commits.executeTransaction({ participants: [{ participantId: "nobody" }] });
    const origin = `http://127.0.0.1:${started.value.metricsPort}`;
    const text = await (await fetch(`${origin}/metrics`)).text();
    expect(text).toContain("concord_commit_transactions_begun_total 2");
    expect(text).toContain('concord_commit_transactions_decided_total{outcome="committed"} 1');
    expect(text).toContain('concord_commit_transactions_decided_total{outcome="aborted"} 1');
    expect(text).toContain("concord_commit_oldest_in_doubt_seconds 0");
    expect(text).toContain("concord_commit_newer_log_seen_total 0");
    expect(text).toContain("concord_commit_forced_writes_total 0");
    expect(text).toMatch(/concord_commit_flush_writes_count [1-9]/);
    expect(text).toMatch(/^concord_loop_delay_seconds_count \d/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
    for (const store of ["workflow", "predicate", "commit"]) {
      expect(text).toMatch(new RegExp(`^concord_store_bytes\\{store="${store}",file="database"\\} [1-9]`, "m"));
      expect(text).toMatch(new RegExp(`^concord_store_bytes\\{store="${store}",file="wal"\\} \\d`, "m"));
    }
    expect(text).toContain('concord_calls_under_way{kind="session",service="concord.commit.v1.TwoPhaseCommit"} 1');
    expect(text).toMatch(/^concord_connections_open [1-9]/m);
    expect(text).toMatch(/^concord_receiving_bytes 0$/m);
    expect((await fetch(`${origin}/`)).status).toBe(404);
  } finally {
    channel.close();
    await started.value.stop();
    data.remove();
  }
});
