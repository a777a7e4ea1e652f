// What it costs to be sure: calls over TLS, and with a token or a JWT by which an access file knows who calls, as a ratio to the same calls in plain
// text, in the same run.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client, credentials } from "@grpc/grpc-js";
import { print, tableLines } from "../../src/cli/output.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import type { ClientSecurity } from "../../src/rpc/clients/security.ts";
import { accessFile, tokenOf, withTokens } from "../support/access.ts";
import { testCertificates } from "../support/certificates.ts";
import { createIssuer } from "../support/issuer.ts";
import { findGenerator, type Load } from "./load.ts";
import { echo, get, operations, transition } from "./operations.ts";
import { prepare } from "./prepare.ts";
import { processUse } from "./proc.ts";
import { type BenchServer, startServer } from "./server-process.ts";
import { median } from "./statistics.ts";

const help = `Measures an empty call, a read and a move in plain text, over TLS, and of each with a token or a JWT and an access file, each on a server of its own.

  node test/bench/tls.ts [options]

  --seconds N      of each measurement (default 3)
  --rounds N       of each measurement, alternating; the median counts (default 3)
  --concurrency N  calls under way (default 64)
  --over NAMES     only these, comma separated: plain text,TLS,token,JWT,TLS and token,TLS and JWT
  --help`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "3" },
    concurrency: { type: "string", default: "64" },
    over: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

/** The first is what the others are compared with. */
const chosen = values.over?.split(",");

const cache = join(import.meta.dirname, "../../.cache/bench");
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "tls-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

type Way = { readonly name: string; readonly server: BenchServer; readonly secured: Load["secured"] };

const token = tokenOf("ada");
const certificates = testCertificates(folder);
const { tlsCert, tlsKey } = certificates.settings;
const issuer = await createIssuer("https://issuer.example", "one");
const jwks = join(folder, "jwks.json");
writeFileSync(jwks, JSON.stringify({ keys: [await issuer.publicJwk()] }));
const known = withTokens("ada");
const jwt = await issuer.sign();
const { path: access } = accessFile(folder, {
  ...known,
  authentication: { ...known.authentication, jwt: [{ issuer: "https://issuer.example", audience: "concord", jwks }] },
});

async function open(name: string, settings: Readonly<Record<string, string>>, security: ClientSecurity): Promise<Way> {
  const data = join(folder, name.replaceAll(/\W/g, "-"));
  mkdirSync(data);
  const server = await startServer(data, "info", settings);
  await prepare(server.port, security);
  await checkAnswers(server.port, security);
  return { name, server, secured: { tls: security.tls !== undefined, token: security.token?.() } };
}

/** A call that is refused is quick, and h2load counts it as it counts others. */
async function checkAnswers(port: number, security: ClientSecurity): Promise<void> {
  const channel = openChannel(`127.0.0.1:${port}`, security);
  const client = new Client("", credentials.createInsecure(), { channelOverride: channel });
  const bytes = (buffer: Buffer): Buffer => buffer;
  for (const { method, body } of measured) {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(`/${method}`, bytes, bytes, Buffer.from(body), (error) => (error ? reject(error) : resolve()));
    });
  }
  channel.close();
}

const measured = operations.filter(({ name }) => [echo, get, transition].includes(name));
const tls = { ca: certificates.ca };
const proofs = { token: () => token, JWT: () => jwt } as const;
const all = {
  "plain text": () => open("plain text", {}, {}),
  TLS: () => open("TLS", { tlsCert, tlsKey }, { tls }),
  token: () => open("token", { access }, { token: proofs.token }),
  JWT: () => open("JWT", { access }, { token: proofs.JWT }),
  "TLS and token": () => open("TLS and token", { tlsCert, tlsKey, access }, { tls, token: proofs.token }),
  "TLS and JWT": () => open("TLS and JWT", { tlsCert, tlsKey, access }, { tls, token: proofs.JWT }),
} as const;
const ways: Way[] = [];
for (const [name, opened] of Object.entries(all)) if (chosen === undefined || chosen.includes(name)) ways.push(await opened());
const { run, name: generator } = await findGenerator();
const concurrency = Number(values.concurrency);
/** Of the whole server, which others on the machine hardly change; the rate is theirs, too. */
type Cost = { readonly perSecond: number; readonly cpuMicros: number };

const costs = new Map<string, Cost[]>();
const cpuMicrosOf = ({ pid }: BenchServer): number =>
  Object.values(processUse(pid).cpuMicros).reduce((sum, each) => sum + each, 0);
const keyOf = (call: string, way: string): string => `${call} ${way}`;

async function measure(call: (typeof measured)[number], { server, secured }: Way, count: number): Promise<Cost> {
  const { method, body } = call;
  const before = cpuMicrosOf(server);
  const { perSecond } = await run({ port: server.port, method, body, concurrency, span: { type: "count", count }, secured });
  return { perSecond, cpuMicros: (cpuMicrosOf(server) - before) / count };
}

/** Also has the code of each server compiled. */
async function callsPerRound(call: (typeof measured)[number]): Promise<number> {
  const rates: number[] = [];
  for (const way of ways) rates.push((await measure(call, way, 2_000)).perSecond);
  return Math.round(Math.min(...rates) * Number(values.seconds));
}

print(`${generator}; ${concurrency} calls under way; ${values.rounds} rounds of some ${values.seconds} s`);
for (const call of measured) {
  const count = await callsPerRound(call);
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const way of ways) {
      const key = keyOf(call.name, way.name);
      costs.set(key, [...(costs.get(key) ?? []), await measure(call, way, count)]);
    }
  }
}

const medianOf = (call: string, way: string, of: keyof Cost): number =>
  median(costs.get(keyOf(call, way))?.map((cost) => cost[of]) ?? []);
const [plainWay] = ways.map(({ name }) => name);
print(
  tableLines(
    ["call", "over", "/s", "ratio", "CPU of the server, us", "ratio"],
    measured.flatMap(({ name: call }) =>
      ways.map(({ name: way }) => [
        call,
        way,
        ...(["perSecond", "cpuMicros"] as const).flatMap((of) => {
          const value = medianOf(call, way, of);
          return [value.toFixed(0), (value / medianOf(call, plainWay ?? "", of)).toFixed(2)];
        }),
      ]),
    ),
  ),
);
for (const { server } of ways) await server.stop();
process.exit();
