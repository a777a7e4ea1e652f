import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { contradictionsIn } from "./config-checks.ts";
import { addressProblem, addressWords } from "./kernel/address.ts";
import { idPattern, idWords } from "./kernel/ids.ts";
import { addressShareMax, callCountMax, connectionCountMax, streamCountMax } from "./kernel/limits.ts";
import { err, ok, type Result } from "./kernel/result.ts";

const serviceNames = ["workflow", "predicate", "commit"] as const;

export type ServiceName = (typeof serviceNames)[number];

/** With `portMin` 0, one to listen on. */
export const addressSchema = (portMin = 1) =>
  z.string(addressWords).superRefine((text, context) => {
    const problem = addressProblem(text, portMin);
    if (problem !== undefined) context.addIssue(problem);
  });

const address = addressSchema();
const listenAddress = addressSchema(0);
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** One of each unit. */
export const durationExamples = "250ms, 2s, 1m, 1h or 30d";

/** Durations are written as people write them, `250ms`, `2s`, `1m`, and kept in milliseconds. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : Number(match[1]) * (durationUnits[match[2]] ?? Number.NaN);
}

export function duration(minMs: number, maxMs: number) {
  const words = `must be a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as ${durationExamples}`;
  return textOr(words, "s").transform((text, context) => {
    const ms = parseDurationMs(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    context.addIssue(withUnit(words, text, "s"));
    return z.NEVER;
  });
}

/** What is no text, YAML has read as a number or a truth value. */
const textOr = (words: string, unit?: string) =>
  z.string({ error: ({ input }) => (unit === undefined ? words : withUnit(words, input, unit)) });

/** A bare number is a unit short. */
export const withUnit = (words: string, input: unknown, unit: string): string =>
  /^\d+(\.\d+)?$/.test(String(input).trim()) ? `${words}; write ${String(input).trim()}${unit}` : words;

export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  // A day is said as 24 hours.
  const units = ms >= 2 * 86_400_000 ? ["d", "h", "m", "s"] : ["h", "m", "s"];
  for (const unit of units) {
    const size = durationUnits[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

function integer(min: number, max: number) {
  return z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^-?\d+$/)
          .transform(Number),
      ],
      `must be a whole number from ${min} to ${max}`,
    )
    .refine((value) => Number.isInteger(value) && value >= min && value <= max, `must be a whole number from ${min} to ${max}`);
}

const sizeUnits: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Sizes are written as people write them, `4MiB`, and kept in bytes. */
export function size(min: string, max: string) {
  const bytesOf = (text: string): number => {
    const match = /^(\d+)(KiB|MiB|GiB)$/.exec(text.trim());
    return Number(match?.[1]) * (sizeUnits[match?.[2] ?? ""] ?? Number.NaN);
  };
  const words = `must be a size from ${min} to ${max}, such as 64KiB, 4MiB or 1GiB`;
  return textOr(words, "MiB").transform((text, context) => {
    const bytes = bytesOf(text);
    if (bytes >= bytesOf(min) && bytes <= bytesOf(max)) return bytes;
    context.addIssue(withUnit(words, text, "MiB"));
    return z.NEVER;
  });
}

function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, `must be one of ${values.join(", ")}`);
}

/** Texts, comma separated. */
function list(each: RegExp, words: string) {
  const parts = z.string(words).transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );
  return parts.pipe(z.array(z.string().regex(each, words)));
}

const folder = textOr("must be a folder").min(1, "must be a folder");
const file = textOr("must be a file").min(1, "must be a file");
const participantId = z.string(idWords).regex(idPattern, idWords);

/** One is left for everything else. */
const ruleThreadCount = Math.min(2, Math.max(1, availableParallelism() - 1));

/** Every setting of `concord serve`: one line here is a flag, an environment variable and a key of the config file. */
const settings = {
  listen: {
    schema: listenAddress,
    default: "127.0.0.1:50051",
    help: "address to serve on, host:port or unix:/path; port 0 chooses one",
  },
  "data-dir": {
    schema: folder,
    default: "./data",
    help: "folder of the store; created if missing",
  },
  services: {
    schema: z
      .union(
        [z.array(z.string()), z.string().transform((text) => text.split(",").map((name) => name.trim()))],
        `must name services, comma separated: ${serviceNames.join(", ")}`,
      )
      .pipe(z.array(choice(serviceNames)).min(1, `must name at least one of ${serviceNames.join(", ")}`)),
    default: serviceNames.join(","),
    help: "which services this process serves, comma separated",
  },
  "predicate-address": {
    schema: address.optional(),
    default: undefined,
    help: "where the workflow manager finds PredicateLogic; unset: here, if predicate is served here",
  },
  "commit-address": {
    schema: address.optional(),
    default: undefined,
    help: "where the workflow manager finds TwoPhaseCommit; unset: here, if commit is served here",
  },
  "predicate-timeout": {
    schema: duration(10, 60_000),
    default: "1s",
    help: "how long the workflow manager waits for PredicateLogic to answer",
  },
  "rule-threads": {
    schema: integer(1, 16),
    default: String(ruleThreadCount),
    help: "threads that judge by rules that take long; the others are judged at once",
  },
  "verdict-log": {
    schema: choice(["findings", "all", "off"]),
    default: "findings",
    help: "which verdicts are written down: findings, those of which a rule has said something; all; or off, none",
  },
  "verdict-log-input": {
    schema: choice(["digest", "whole"]),
    default: "digest",
    help: "what is kept of the question: digest, its SHA-256; whole, all of it with the workflow's metadata, so that it can be judged again",
  },
  "verdict-log-max": {
    // Beyond the largest entries that are dropped at once.
    schema: size("32MiB", "1024GiB"),
    default: "256MiB",
    help: "how much of verdicts is kept; the oldest are dropped",
  },
  "verdict-log-retention": {
    schema: duration(60_000, 24 * 3_650 * 3_600_000),
    default: "168h",
    help: "how long verdicts are kept",
  },
  "max-message": {
    // A Hello with 10,000 transactions in doubt must be heard; 64 full payloads are all that a request has use for.
    schema: size("1MiB", "20MiB"),
    default: "4MiB",
    help: "how large a request may be, from 1MiB to 20MiB",
  },
  "max-receiving": {
    schema: size("40MiB", "1024GiB"),
    default: "256MiB",
    help: "memory that all requests may take together that have not come whole yet, at least 40MiB",
  },
  "max-workflows": { schema: integer(1, 1_000_000_000), default: "1000000", help: "how many workflows the store may hold" },
  archive: {
    schema: folder.optional(),
    default: undefined,
    help: "folder where workflows are kept that a policy archives and purges; created if missing; unset: none are purged by such a policy",
  },
  "max-connections": {
    schema: integer(1, 100_000),
    default: String(connectionCountMax),
    help: "how many connections may be open at once",
  },
  "max-calls": {
    schema: integer(1, 1_000_000),
    default: String(callCountMax),
    help: "how many calls of each service may be under way at once",
  },
  "max-streams": {
    schema: integer(1, 1_000_000),
    default: String(streamCountMax),
    help: "how many watches of each service may be open at once, and as many participants' sessions",
  },
  "address-share": {
    schema: integer(1, 100),
    default: String(100 * addressShareMax),
    help: "how many percent of these, and of undecided transactions, one client address may have; 100 behind a proxy, which is one address",
  },
  "participant-id": { schema: participantId, default: "concord.workflow", help: "the workflow manager's name as a participant" },
  "decision-log": {
    schema: choice(["exclusive", "take-over"]),
    default: "exclusive",
    help: "if another process holds the decision log: exclusive, refuse to start; take-over, replace its coordinator",
  },
  "mixed-stores": {
    schema: choice(["refuse", "accept"]),
    default: "refuse",
    help: "if the stores of the folder do not belong together: refuse, do not start; accept, go on with them as they are, and take them for a set",
  },
  "max-undecided": {
    schema: size("1MiB", "1024GiB"),
    default: "256MiB",
    help: "memory that undecided transactions may take, with their payloads; more are refused",
  },
  "max-unacknowledged": {
    schema: size("1MiB", "1024GiB"),
    default: "256MiB",
    help: "memory that decided transactions may take which participants have not acknowledged; beyond it new ones are refused",
  },
  "max-owed": {
    schema: integer(1, 1_000_000),
    default: "10000",
    help: "decisions that a participant may leave unacknowledged; beyond it new work for it is refused",
  },
  "metrics-listen": {
    schema: listenAddress.optional(),
    default: undefined,
    help: "address of GET /metrics for Prometheus, host:port or unix:/path; unset: not served",
  },
  "http-listen": {
    schema: listenAddress.optional(),
    default: undefined,
    help: "address of the HTTP interface, host:port or unix:/path; unset: not served",
  },
  "http-allow-host": {
    schema: list(/^[A-Za-z0-9.-]+$|^\*$/, "must be names of hosts, comma separated, without ports; or *, any"),
    default: "",
    help: "while it listens for this machine only: which names a Host header may have besides this machine's; a proxy's, or * for any",
  },
  "http-allow-origin": {
    schema: list(/^https?:\/\/[^\s/?#]+$|^\*$/, "must be origins, such as https://console.example, comma separated; or *, any"),
    default: "",
    help: "pages of which origins may use the HTTP interface from a browser, comma separated, or * for any",
  },
  "peer-token-file": {
    schema: file.optional(),
    default: undefined,
    help: "file with the token by which the workflow manager proves who it is to PredicateLogic and TwoPhaseCommit in other processes",
  },
  access: {
    schema: file.optional(),
    default: undefined,
    help: "YAML file that says who may call, and how they prove who they are; unset: everybody may do everything",
  },
  "tls-cert": {
    schema: file.optional(),
    default: undefined,
    help: "PEM file of the certificate that all ports show, with those that lead to its CA; unset: plain text",
  },
  "tls-key": { schema: file.optional(), default: undefined, help: "PEM file of its private key" },
  "tls-client-ca": {
    schema: file.optional(),
    default: undefined,
    help: "PEM file of the CAs that sign clients' certificates; unset: clients are not asked for any",
  },
  "tls-client-auth": {
    schema: choice(["request", "require"]),
    default: "require",
    help: "with tls-client-ca: require, a client must show a certificate; request, it may",
  },
  "tls-crl": {
    schema: file.optional(),
    default: undefined,
    help: "PEM file of the revocation lists of all CAs in tls-client-ca; unset: none is revoked",
  },
  "tls-min-version": {
    schema: choice(["1.3", "1.2"]),
    default: "1.3",
    help: "the oldest version of TLS that is spoken, 1.3 or 1.2",
  },
  "peer-tls": {
    schema: choice(["off", "on"]),
    default: "off",
    help: "whether the workflow manager speaks TLS to predicate-address and commit-address: off or on",
  },
  "peer-tls-ca": {
    schema: file.optional(),
    default: undefined,
    help: "PEM file of the CAs that sign their certificates; unset: those that this machine trusts",
  },
  "peer-tls-cert": {
    schema: file.optional(),
    default: undefined,
    help: "PEM file of the certificate that it shows them; unset: none",
  },
  "peer-tls-key": { schema: file.optional(), default: undefined, help: "PEM file of its private key" },
  "peer-tls-server-name": {
    schema: textOr("must be a name").min(1, "must be a name").optional(),
    default: undefined,
    help: "the name that their certificates must have; unset: the host of their address",
  },
  "serve-unprotected": {
    schema: choice(["loopback", "anywhere"]),
    default: "loopback",
    help: "where it may listen without TLS and an access file: loopback, for this machine only; anywhere, for whoever reaches it",
  },
  "audit-log": {
    schema: file.optional(),
    default: undefined,
    help: "file to append to: each call that was denied, and each change by an operator or author of rules; unset: none",
  },
  sinks: {
    schema: file.optional(),
    default: undefined,
    help: "YAML file that says where events are published, NATS JetStream or webhooks; unset: nowhere",
  },
  trace: {
    schema: file.optional(),
    default: undefined,
    help: "file to which each step of two-phase commit is appended, as a JSON line; unset: none",
  },
  "shutdown-grace": { schema: duration(0, 600_000), default: "5s", help: "how long calls under way may take after SIGTERM" },
  "log-level": {
    schema: choice(["trace", "debug", "info", "warn", "error", "silent"]),
    default: "info",
    help: "trace, debug, info, warn, error or silent",
  },
  "log-format": {
    schema: choice(["auto", "pretty", "json"]),
    default: "auto",
    help: "pretty for people, json for machines; auto: pretty on a terminal",
  },
} as const;

export type SettingName = keyof typeof settings;

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : Name;

/** Validated and frozen. Durations are milliseconds. */
export type Config = { readonly [Name in SettingName as CamelCase<Name>]: z.output<(typeof settings)[Name]["schema"]> };

export type Source = "default" | `file ${string}` | `environment ${string}` | `flag --${string}`;

/** A setting that cannot be used. Every error names the key, the value, where it comes from, and what is allowed. */
export type ConfigError = { readonly message: string };

export type LoadedConfig = {
  readonly config: Config;
  readonly origins: readonly { readonly name: SettingName; readonly value: unknown; readonly source: Source }[];
};

export const settingNames = Object.keys(settings) as SettingName[];

export function settingHelp(name: SettingName): string {
  const fallback = settings[name].default;
  return fallback === undefined || fallback === "" ? settings[name].help : `${settings[name].help} (default: ${fallback})`;
}

export function environmentName(name: string): string {
  return `CONCORD_${name.toUpperCase().replaceAll("-", "_")}`;
}

type Inputs = {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A YAML file whose keys are the names of the settings. */
  readonly file: string | undefined;
};

/** defaults < file < environment < flags. */
export function loadConfig({ flags, environment, file }: Inputs): Result<LoadedConfig, readonly ConfigError[]> {
  const fromFile = readFile(file);
  if (!fromFile.ok) return err([fromFile.error]);
  const errors: ConfigError[] = [];
  const origins: { name: SettingName; value: unknown; source: Source }[] = [];
  const values: Record<string, unknown> = {};
  for (const name of settingNames) {
    const { raw, source } = pick(name, { flags, environment, fileName: file, fileValues: fromFile.value });
    const parsed = settings[name].schema.safeParse(raw);
    if (parsed.success) {
      values[camelCase(name)] = parsed.data;
      origins.push({ name, value: raw, source });
    } else {
      const [issue] = parsed.error.issues;
      errors.push({ message: `${name}: ${JSON.stringify(raw)} (${source}) ${issue?.message}` });
    }
  }
  if (errors.length === 0) errors.push(...contradictionsIn(values as Config).map((message) => ({ message })));
  for (const key of Object.keys(fromFile.value)) {
    if (!settingNames.includes(key as SettingName)) {
      errors.push({ message: `${key}: unknown key (file ${file}); known: ${settingNames.join(", ")}` });
    }
  }
  return errors.length > 0 ? err(errors) : ok({ config: Object.freeze(values) as Config, origins });
}

function pick(
  name: SettingName,
  inputs: Pick<Inputs, "flags" | "environment"> & { fileName: string | undefined; fileValues: Readonly<Record<string, unknown>> },
): { readonly raw: unknown; readonly source: Source } {
  const flag = inputs.flags[camelCase(name)];
  if (flag !== undefined) return { raw: flag, source: `flag --${name}` };
  const variable = environmentName(name);
  const fromEnvironment = inputs.environment[variable];
  // An empty variable is how shells and containers say "not set".
  if (fromEnvironment !== undefined && fromEnvironment !== "") return { raw: fromEnvironment, source: `environment ${variable}` };
  if (name in inputs.fileValues) return { raw: inputs.fileValues[name], source: `file ${inputs.fileName}` };
  return { raw: settings[name].default, source: "default" };
}

function readFile(file: string | undefined): Result<Readonly<Record<string, unknown>>, ConfigError> {
  if (file === undefined) return ok({});
  try {
    const content: unknown = parseYaml(readFileSync(file, "utf8")) ?? {};
    if (typeof content === "object" && !Array.isArray(content)) return ok(content as Record<string, unknown>);
    return err({ message: `config: ${file} must hold keys and values, such as "listen: 127.0.0.1:50051"` });
  } catch (error) {
    return err({ message: `config: cannot read ${file}: ${error instanceof Error ? error.message : String(error)}` });
  }
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
