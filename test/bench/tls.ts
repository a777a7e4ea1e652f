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
import { type BenchServer, startServer } from "./server-process.ts";
import { median } from "./statistics.ts";

const help = `Measures an empty call, a read and a move in plain text, over TLS, and of each with a token or a JWT and an access file, each on a server of its own.

  node test/bench/tls.ts [options]

  --seconds N      of each measurement (default 3)
  --rounds N       of each measurement, alternating; the median counts (default 3)
  --concurrency N  calls under way (default 64)
  --help`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "3" },
    concurrency: { type: "string", default: "64" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(help);
  process.exit();
}

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
const ways = [
  await open("plain text", {}, {}),
  await open("TLS", { tlsCert, tlsKey }, { tls }),
  await open("token", { access }, { token: () => token }),
  await open("JWT", { access }, { token: () => jwt }),
  await open("TLS, token", { tlsCert, tlsKey, access }, { tls, token: () => token }),
  await open("TLS, JWT", { tlsCert, tlsKey, access }, { tls, token: () => jwt }),
];
const { run, name: generator } = await findGenerator();
const concurrency = Number(values.concurrency);
const rates = new Map<string, number[]>();
print(`${generator}; ${concurrency} calls under way; ${values.rounds} rounds of ${values.seconds} s`);
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const { name, method, body } of measured) {
    for (const { name: way, server, secured } of ways) {
      const span = { type: "time", warmUpMs: 1_000, durationMs: Number(values.seconds) * 1_000 } as const;
      const { perSecond } = await run({ port: server.port, method, body, concurrency, span, secured });
      const key = `${name} ${way}`;
      rates.set(key, [...(rates.get(key) ?? []), perSecond]);
    }
  }
}
const rateOf = (name: string, way: string): number => median(rates.get(`${name} ${way}`) ?? []);
print(
  tableLines(
    ["call", ...ways.flatMap(({ name }, index) => (index === 0 ? [`${name}, /s`] : [`${name}, /s`, "ratio"]))],
    measured.map(({ name }) => [
      name,
      ...ways.flatMap(({ name: way }, index) => {
        const rate = Math.round(rateOf(name, way));
        const ratio = (rate / rateOf(name, ways[0]?.name ?? "")).toFixed(2);
        return index === 0 ? [String(rate)] : [String(rate), ratio];
      }),
    ]),
  ),
);
for (const { server } of ways) await server.stop();
process.exit();
