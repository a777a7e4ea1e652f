// What is left of the service when three times as much is asked as can be judged, and after it; and what a crowd that comes at once is told.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { ClientError, Status } from "nice-grpc";
import { type Clients, connect } from "../src/cli/client.ts";
import { print, tableLines } from "../src/cli/output.ts";
import { WorkflowState } from "../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import { clientFailure } from "../src/rpc/errors.ts";

const help = `Asks a server of its own, with one thread for rules that take long, for moves that such a rule forbids: first as many as it can judge,
then three times as many, each with a deadline of a second, then half as many. Then more and more cheap moves at once.

  node scripts/overload.ts [options]

  --seconds N   how long the overload lasts (default 30)
  --help

Exit code 0: under overload at least 80 % of what can be judged is judged in time, and 2 s after it everything is. 1: it is not.`;

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "30" }, help: { type: "boolean", default: false } },
});
if (values.help) {
  console.log(help);
  process.exit();
}

const { ACTIVE, PAUSED } = WorkflowState;
const by = { reason: "measured", requestedBy: "load" };
const overloadMs = Number(values.seconds) * 1000;
const aloneMs = 5_000;
const deadlineMs = 1_000;
const overloadFactor = 3;
const goodputMin = 0.8;
const backWithinMs = 2_000;
/** Enough to keep the thread busy. */
const callerCount = 4;
const crowds = [64, 512, 1_024, 2_048];

/** When it was asked, and what for an answer it had: `judged`, or a reason. */
type Answer = { readonly askedMs: number; readonly answer: string };

const folder = mkdtempSync(join(tmpdir(), "concord-overload-"));
const program = join(import.meta.dirname, "../src/main.ts");
const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder, "--log-format", "json", "--rule-threads", "1"];
const server = spawn(process.execPath, ["--max-semi-space-size=32", program, ...args], { stdio: ["ignore", "ignore", "pipe"] });
const channel = openChannel(await servedAddress());
try {
  const clients = connect(channel);
  await prepare(clients);
  print(`${availableParallelism()} cores, Node ${process.version}`);
  const { perSecond, share, backMs } = await overload(clients);
  print(
    `${perSecond.toFixed(0)} moves a second can be judged; of ${overloadFactor} times as many, ${(share * 100).toFixed(0)} % of that are`,
  );
  print(`the last refusal came ${backMs.toFixed(0)} ms after the overload`);
  const rows: string[][] = [];
  for (const count of crowds) rows.push(await crowd(clients, count));
  print(["", ...tableLines(["cheap moves at once", "moved", "refused", "a second"], rows)]);
  process.exitCode = share >= goodputMin && backMs <= backWithinMs ? 0 : 1;
} finally {
  channel.close();
  server.kill("SIGTERM");
  await new Promise((resolve) => server.once("close", resolve));
  rmSync(folder, { recursive: true });
}

async function servedAddress(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const lines = createInterface({ input: server.stderr });
  lines.on("line", (line) => {
    const { msg, listen } = JSON.parse(line) as { readonly msg: string; readonly listen: string };
    if (msg === "serving") resolve(listen);
  });
  lines.on("close", () => reject(new Error("the server does not start")));
  return promise;
}

async function prepare({ predicates, workflows }: Clients): Promise<void> {
  const expression = "workflow.metadata.numbers.all(x, workflow.metadata.numbers.all(y, y < 0.0 || x >= 0.0)) && false";
  await predicates.createRule({ ruleId: "pairs", expression, moves: [{ fromState: ACTIVE, toState: PAUSED }], ...by });
  await predicates.activateRule({ ruleId: "pairs", ...by });
  const numbers = Array.from({ length: 60 }, (_, index) => index);
  await workflows.createWorkflow({ workflowId: "dear", metadata: { numbers }, ...by });
  await workflows.transitionWorkflow({ workflowId: "dear", targetState: ACTIVE, ...by });
}

/** How much of what can be judged is judged when too much is asked, and how long afterwards the last was refused. */
async function overload(clients: Clients) {
  const ask = (): Promise<Answer> => askDear(clients);
  await closedLoop(ask, aloneMs / 5);
  const perSecond = (judged(await closedLoop(ask, aloneMs)) * 1_000) / aloneMs;
  const answers = await openLoop(ask, overloadFactor * perSecond, overloadMs);
  const overMs = performance.now();
  const after = await openLoop(ask, perSecond / 2, aloneMs);
  print(tableLines(["answer", "under overload", "after it"], byAnswer(await Promise.all(answers), await Promise.all(after))));
  const refused = (await Promise.all(after)).filter(({ answer }) => answer !== "judged");
  return {
    perSecond,
    share: judged(await Promise.all(answers)) / ((perSecond * overloadMs) / 1_000),
    backMs: Math.max(0, ...refused.map(({ askedMs }) => askedMs - overMs)),
  };
}

/** The rule forbids the move: that it says so is what is asked for. */
async function askDear({ workflows }: Clients): Promise<Answer> {
  const askedMs = performance.now();
  const request = { workflowId: "dear", targetState: PAUSED, ...by };
  const reason = reasonOf(workflows.transitionWorkflow(request, { deadline: deadlineMs }));
  return { askedMs, answer: (await reason) === "RULE_DENIED" ? "judged" : await reason };
}

async function closedLoop(ask: () => Promise<Answer>, durationMs: number): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const endMs = performance.now() + durationMs;
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) answers.push(await ask());
  };
  await Promise.all(Array.from({ length: callerCount }, caller));
  return answers;
}

/** Asks at this rate, whatever is answered. Resolves when the last was asked. */
async function openLoop(ask: () => Promise<Answer>, perSecond: number, durationMs: number): Promise<readonly Promise<Answer>[]> {
  const answers: Promise<Answer>[] = [];
  const startMs = performance.now();
  for (let passedMs = 0; passedMs < durationMs; passedMs = performance.now() - startMs) {
    while (answers.length < (perSecond * passedMs) / 1_000) answers.push(ask());
    await sleep(5);
  }
  return answers;
}

/** So many moves that no rule applies to, all at once and without a deadline. */
async function crowd({ workflows }: Clients, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `crowd-${count}-${index}`);
  for (const workflowId of ids) await workflows.createWorkflow({ workflowId, ...by });
  const startMs = performance.now();
  const reasons = await Promise.all(
    ids.map((workflowId) => reasonOf(workflows.transitionWorkflow({ workflowId, targetState: ACTIVE, ...by }))),
  );
  const tookMs = performance.now() - startMs;
  const refused = [...new Set(reasons.filter((reason) => reason !== "done"))];
  const moved = reasons.filter((reason) => reason === "done").length;
  return [String(count), String(moved), refused.join(", ") || "-", ((moved * 1_000) / tookMs).toFixed(0)];
}

function judged(answers: readonly Answer[]): number {
  return answers.filter(({ answer }) => answer === "judged").length;
}

function byAnswer(during: readonly Answer[], after: readonly Answer[]): string[][] {
  const names = new Set([...during, ...after].map(({ answer }) => answer));
  const count = (answers: readonly Answer[], name: string): string =>
    String(answers.filter(({ answer }) => answer === name).length);
  return [...names].map((name) => [name, count(during, name), count(after, name)]);
}

async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return clientFailure(error).reason ?? Status[error.code];
  }
}
