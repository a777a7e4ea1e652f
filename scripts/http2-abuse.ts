// What others feel of a client that abuses HTTP/2, and how much memory it costs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { connect } from "../src/cli/client.ts";
import { print, tableLines } from "../src/cli/output.ts";
import { openChannel } from "../src/rpc/clients/channel.ts";
import { attacks, carryOut } from "../test/support/http2-abuse.ts";

const help = `One client after the other does to a server what HTTP/2 lets it do, on one connection, from an address of its own. Beside it another
client asks for a workflow, again and again. Prints how long that takes, and the memory of the server. "calls" are ordinary ones, as fast as
they can be sent: what a connection may cost in any case.

  node scripts/http2-abuse.ts [options]

  --seconds N   of each attack (default 5)
  --help

Exit code 0: everything that was asked for was answered, and the server has stopped in order. 1: not so.`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    attack: { type: "string" },
    address: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}
const attackMs = Number(values.seconds) * 1000;

if (values.attack === undefined) await measureAll();
else await attackAlone(values.attack, values.address);

/** In a process of its own, so that it is not slower than what it attacks. */
async function attackAlone(name: string, address: string): Promise<void> {
  const attack = attacks.find((each) => each.name === name);
  if (attack === undefined) throw new Error(`no such attack: ${name}`);
  const endMs = performance.now() + attackMs;
  print(JSON.stringify(await carryOut(attack, address, () => performance.now() < endMs)));
}

async function measureAll(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "concord-abuse-"));
  const args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder, "--log-format", "json", "--log-level", "info"];
  const server = spawn(process.execPath, [join(import.meta.dirname, "../src/main.ts"), ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const address = await new Promise<string>((resolve) => {
    createInterface({ input: server.stderr }).on("line", (line) => {
      const { msg, listen } = JSON.parse(line) as { readonly msg: string; readonly listen: string };
      if (msg === "serving") resolve(listen);
    });
  });
  const channel = openChannel(address);
  const { workflows } = connect(channel);
  const by = { reason: "measured", requestedBy: "load" };
  await workflows.createWorkflow({ workflowId: "w", metadata: { text: "x".repeat(60_000) }, ...by });
  const ask = () => workflows.getWorkflow({ workflowId: "w" }, { deadline: 60_000 });
  const rows: string[][] = [];
  for (const name of [undefined, ...attacks.map((attack) => attack.name)]) {
    const attacked = name === undefined ? undefined : attack(name, address);
    const latencies = await measure(ask);
    const { bursts, closed } = (await attacked) ?? { bursts: "-", closed: "-" };
    const [p50, p99, max] = [0.5, 0.99, 1].map((share) => at(latencies, share));
    rows.push([
      name ?? "nobody",
      String(bursts),
      String(closed),
      String(latencies.length),
      `${p50}`,
      `${p99}`,
      `${max}`,
      residentMib(server.pid),
    ]);
  }
  print(`${availableParallelism()} cores, Node ${process.version}, ${values.seconds} s each`);
  print(tableLines(["attack", "bursts", "closed", "answered", "p50 ms", "p99 ms", "max ms", "RSS MiB"], rows));
  channel.close();
  server.kill("SIGTERM");
  const [code] = await once(server, "exit");
  rmSync(folder, { recursive: true });
  process.exitCode = code === 0 ? 0 : 1;
}

async function attack(name: string, address: string): Promise<{ readonly bursts: number; readonly closed: number }> {
  const args = [import.meta.filename, "--attack", name, "--address", address, "--seconds", String(values.seconds)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(await text(child.stdout));
}

/** One call at a time. A call that fails ends the program. */
async function measure(ask: () => Promise<unknown>): Promise<readonly number[]> {
  const latencies: number[] = [];
  const endMs = performance.now() + attackMs;
  while (performance.now() < endMs) {
    const startMs = performance.now();
    await ask();
    latencies.push(performance.now() - startMs);
  }
  return latencies.sort((one, other) => one - other);
}

function at(sorted: readonly number[], share: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1);
}

function residentMib(pid: number | undefined): string {
  const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return (kib / 1024).toFixed(0);
}
