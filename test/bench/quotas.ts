// What one principal notices of another that asks for as much as it can get: beside nobody, beside one without a quota, beside one with.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { print, tableLines } from "../../src/cli/output.ts";
import { accessFile, tokenOf, withTokens } from "../support/access.ts";
import { findGenerator } from "./load.ts";
import { operations, transition } from "./operations.ts";
import { prepare } from "./prepare.ts";
import { startServer } from "./server-process.ts";

const help = `Measures moves of one principal, 200 a second, beside another with 512 calls under way: without a quota, and with one of 100 calls a second.

  node test/bench/quotas.ts [options]

  --seconds N      of each measurement (default 5)
  --help`;

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "5" }, help: { type: "boolean", default: false } },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const cache = join(import.meta.dirname, "../../.cache/bench");
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "quotas-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const { run, name: generator } = await findGenerator();
const operation = operations.find(({ name }) => name === transition);
if (operation === undefined) throw new Error(`there is no ${transition}`);
const { method, body } = operation;
const durationMs = Number(values.seconds) * 1_000;
const warmUpMs = 1_000;
print(`${generator}; ${transition}`);

type Row = readonly [string, ...(readonly string[])];

async function measure(name: string, quotas: readonly object[], isBeside: boolean): Promise<Row> {
  const data = join(folder, name.replaceAll(/\W/g, "-"));
  mkdirSync(data);
  const { path: access } = accessFile(data, { ...withTokens("steady", "greedy"), quotas });
  const server = await startServer(data, "info", { access });
  await prepare(server.port, { token: () => tokenOf("steady") });
  const as = (principal: string) => ({ tls: false, token: tokenOf(principal) });
  const call = { port: server.port, method, body };
  const steady = run({
    ...call,
    concurrency: 64,
    span: { type: "time", warmUpMs, durationMs, perSecond: 200 },
    secured: as("steady"),
  });
  const greedy = isBeside
    ? run({ ...call, concurrency: 512, span: { type: "time", warmUpMs, durationMs }, secured: as("greedy") })
    : undefined;
  const measured = await steady;
  const beside = await greedy;
  await server.stop();
  const { perSecond, p50Ms, p99Ms } = measured;
  return [name, perSecond.toFixed(0), p50Ms.toFixed(1), p99Ms.toFixed(1), beside?.perSecond.toFixed(0) ?? "-"];
}

const quota = [{ principals: ["greedy"], rate: 100 }];
print(
  tableLines(
    ["beside", "moves, /s", "p50, ms", "p99, ms", "answers to the other, refusals among them, /s"],
    [
      await measure("nobody", [], false),
      await measure("one without a quota", [], true),
      await measure("one with a quota", quota, true),
    ],
  ),
);
process.exit();
