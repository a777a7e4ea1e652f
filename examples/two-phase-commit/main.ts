// A coordinator and two participants, each a process, and two transactions: one commits, one aborts. See README.md.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { connect } from "../../src/cli/client.ts";
import { Outcome } from "../../src/gen/concord/commit/v1/transaction.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";

const folder = mkdtempSync(join(tmpdir(), "concord-shelves-"));
const shelves = ["apples", "pears"] as const;
const children: ChildProcess[] = [];

/** Resolves when the program logs a line with this message, to that line. */
async function start(message: string, program: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${program}${extname(import.meta.filename)}`), ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  const lines = createInterface({ input: child.stderr });
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      if (line.includes(`"msg":"${message}"`)) resolve(JSON.parse(line));
    });
    lines.once("close", () => reject(new Error(`${program} ${args.join(" ")} has ended`)));
  });
}

/** Past all of Concord's code: what is on each shelf. */
function count(): string {
  const counts = shelves.map((shelf) => {
    const file = new DatabaseSync(join(folder, `${shelf}.sqlite`), { readOnly: true, timeout: 5_000 });
    const { things } = file.prepare("SELECT things FROM shelf").get() ?? {};
    file.close();
    return `${things} ${shelf}`;
  });
  return counts.join(" and ");
}

async function main(): Promise<void> {
  const serve = ["serve", "--services", "commit", "--listen", "127.0.0.1:0", "--data-dir", join(folder, "coordinator")];
  const { listen } = await start("serving", "../../src/main", ...serve, "--log-format", "json");
  const coordinator = String(listen);
  await Promise.all(shelves.map((shelf) => start("connected", "shelf", shelf, coordinator, folder)));

  const channel = openChannel(coordinator);
  const { commits } = connect(channel);
  async function take(apples: number, pears: number): Promise<void> {
    const participants = [
      { participantId: "apples", payload: Buffer.from(String(apples)) },
      { participantId: "pears", payload: Buffer.from(String(pears)) },
    ];
    const { transaction } = await commits.executeTransaction({ participants });
    const committed = transaction?.outcome === Outcome.COMMITTED;
    console.log(`take ${apples} apples and ${pears} pears: ${committed ? "COMMITTED" : `ABORTED, ${transaction?.abortReason}`}`);
    await over(transaction?.transactionId ?? "");
    console.log(`  there are ${count()}`);
  }
  /** The outcome is known before each participant has carried it out. A watch ends when nothing is left to do. */
  async function over(transactionId: string): Promise<void> {
    for await (const _change of commits.watchTransaction({ transactionId }));
  }

  console.log(`there are ${count()}`);
  await take(3, 2);
  await take(3, 100);
  channel.close();
}

try {
  await main();
} finally {
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => child.exitCode ?? once(child, "exit")));
  rmSync(folder, { recursive: true, force: true });
}
