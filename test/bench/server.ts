// The server under measurement, in its own process: Concord as it is, with its log on standard error, and beside it the calls of bench-service,
// behind the same middleware, and of bare-echo. Prints its ports, as JSON; tells what it has counted when a parent asks.

import { type MethodRule, methodRules } from "../../src/access/core/methods.ts";
import { openLog } from "../../src/cli/log.ts";
import { startConcord } from "../../src/compose.ts";
import { loadConfig } from "../../src/config.ts";
import { serveBareEcho } from "./bare-echo.ts";
import { type BenchService, createBenchService } from "./bench-service.ts";
import { operations } from "./operations.ts";
import type { Question, ServerReport } from "./server-process.ts";
import { benchService } from "./shape.ts";

const [dataDir = "", logLevel = "info", settings = "{}"] = process.argv.slice(2);
const flags = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0", dataDir, logLevel, ...JSON.parse(settings) };
const loaded = loadConfig({ flags, environment: {}, file: undefined });
if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
const { config } = loaded.value;
const { logger, lostLines } = openLog({ logLevel: config.logLevel, logFormat: "json" });
// Of calls that no role knows, an access file lets nobody make any: who measures may make these.
for (const { method } of operations) {
  if (method.startsWith(`${benchService}/`))
    (methodRules as Map<string, MethodRule>).set(`/${method}`, { concern: "nothing", roles: [] });
}
let bench: BenchService | undefined;
const started = await startConcord({ config, logger, lostLogLines: lostLines }, (workflow) => {
  if (workflow === undefined) throw new Error("the workflow service is not served");
  bench = createBenchService(workflow);
  return [bench];
});
if (!started.ok) throw new Error(started.error.message);
const bare = await serveBareEcho();
process.on("message", (question: Question) => {
  if (question.type === "log-level") logger.level = question.logLevel;
  const report: ServerReport = {
    bareCalls: bare.calls(),
    reasons: bench?.reasons() ?? {},
    underWay: bench?.underWay() ?? 0,
  };
  process.send?.(report);
});
console.log(JSON.stringify({ port: started.value.port, metricsPort: started.value.metricsPort, barePort: bare.port }));
process.once("disconnect", () => process.exit(1));
process.once("SIGTERM", async () => {
  await started.value.stop();
  process.exit(0);
});
