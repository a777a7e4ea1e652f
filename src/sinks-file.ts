import { readFileSync } from "node:fs";
import { z } from "zod";
import { duration } from "./config.ts";
import { sinkCountMax } from "./events/limits.ts";
import type { NatsOptions } from "./events/nats.ts";
import type { WebhookOptions } from "./events/webhook.ts";
import { idPattern, idWords } from "./kernel/ids.ts";
import { err, ok, type Result } from "./kernel/result.ts";
import { type Place, problemAt, readYamlFile, type YamlFileError } from "./yaml-file.ts";

/** One entry of the file of `--sinks`, with its secrets. */
export type SinkSettings = {
  readonly name: string;
  readonly filter: string;
  readonly start: "oldest" | "now";
} & ({ readonly type: "nats"; readonly options: NatsOptions } | { readonly type: "webhook"; readonly options: WebhookOptions });

const whole = (min: number, max: number) => {
  const words = `must be a whole number from ${min} to ${max}`;
  return z.number(words).refine((value) => Number.isInteger(value) && value >= min && value <= max, words);
};

const text = (words: string) => z.string(words).min(1, words);

const file = text("must be a file").optional();

const common = {
  name: text(idWords).regex(idPattern, idWords),
  filter: z.string("must be a CEL expression over `event`").max(4096, "must have at most 4096 characters").default(""),
  start: z.enum(["oldest", "now"], "must be oldest or now").default("oldest"),
};

const secretWords = "is required: the name of the environment variable with the secret, or a list of up to 4";
const secretName = text("must be the name of an environment variable");

/** A token of a subject has no blanks, wildcards, or dots. */
const subjectPattern = /^[^\s.*>]+(\.[^\s.*>]+)*$/;
const streamPattern = /^[^\s.*>/\\]+$/;
const serverPattern = /^(nats|tls):\/\/[^@/\s]+$/;

const natsSchema = z.strictObject({
  ...common,
  type: z.literal("nats"),
  servers: z
    .array(z.string().regex(serverPattern, "must be nats://host:port or tls://host:port, without a user or a password"))
    .min(1, "must name at least one server, such as nats://127.0.0.1:4222")
    .max(16, "must name at most 16 servers"),
  stream: text("must be the name of a stream").regex(streamPattern, "must have no blanks, dots, slashes and wildcards"),
  subject_prefix: text("must be a subject").regex(subjectPattern, "must be a subject such as concord.events, without wildcards"),
  duplicate_window: duration(1_000, 24 * 3_600_000).default(120_000),
  replicas: whole(1, 5).default(1),
  credentials_file: file,
  ca_file: file,
});

const webhookSchema = z.strictObject({
  ...common,
  type: z.literal("webhook"),
  url: z.string("must be a URL").refine(isPlainUrl, "must be an http or https URL, without a user or a password"),
  secret_env: z.union(
    [secretName, z.array(secretName).min(1, "must name a variable").max(4, "must name at most 4 variables")],
    secretWords,
  ),
  timeout: duration(100, 60_000).default(10_000),
  batch: whole(1, 100).default(1),
  refusals: whole(1, 100).default(3),
  failures: whole(1, 10_000).optional(),
});

const schema = z.strictObject({
  sinks: z
    .array(
      z.discriminatedUnion("type", [natsSchema, webhookSchema], "must have a type: nats or webhook"),
      "must be a list of sinks",
    )
    .max(sinkCountMax, `must have at most ${sinkCountMax} sinks`),
});

type Entry = z.output<typeof schema>["sinks"][number];

/** Reads the file of `--sinks`. All problems are told, not only the first. */
export function readSinksFile(
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
): Result<readonly SinkSettings[], readonly YamlFileError[]> {
  const parsed = readYamlFile("sinks", path, schema, "docs/events.md", (file) => readFileSync(file, "utf8"));
  if (!parsed.ok) return parsed;
  const { sinks } = parsed.value;
  const problems = [...doubles(sinks), ...missingSecrets(sinks, environment)].map(([place, words]) =>
    problemAt("sinks", path, place, words),
  );
  return problems.length > 0 ? err(problems) : ok(sinks.map((entry) => settingsOf(entry, environment)));
}

function* doubles(sinks: readonly Entry[]): Iterable<readonly [Place, string]> {
  for (const [index, sink] of sinks.entries()) {
    const earlier = sinks.slice(0, index);
    if (earlier.some(({ name }) => name === sink.name))
      yield [["sinks", index, "name"], `is "${sink.name}" again: each sink has a name of its own`];
    if (sink.type !== "nats") continue;
    // What one publishes would look to the other like a gap in its own.
    const isShared = earlier.some((other) => other.type === "nats" && other.stream === sink.stream);
    if (isShared) yield [["sinks", index, "stream"], `is "${sink.stream}" again: each sink has a stream of its own`];
  }
}

function* missingSecrets(
  sinks: readonly Entry[],
  environment: Readonly<Record<string, string | undefined>>,
): Iterable<readonly [Place, string]> {
  for (const [index, sink] of sinks.entries()) {
    if (sink.type !== "webhook") continue;
    for (const name of [sink.secret_env].flat()) {
      if ((environment[name] ?? "") === "")
        yield [["sinks", index, "secret_env"], `names ${name}, which is not set in the environment`];
    }
  }
}

function settingsOf(entry: Entry, environment: Readonly<Record<string, string | undefined>>): SinkSettings {
  const { name, filter, start } = entry;
  if (entry.type === "nats") {
    const options = {
      servers: entry.servers,
      stream: entry.stream,
      subjectPrefix: entry.subject_prefix,
      duplicateWindowMs: entry.duplicate_window,
      replicas: entry.replicas,
      credentialsFile: entry.credentials_file,
      caFile: entry.ca_file,
    };
    return { name, filter, start, type: "nats", options };
  }
  const options = {
    url: entry.url,
    secrets: [entry.secret_env].flat().map((secret) => environment[secret] ?? ""),
    timeoutMs: entry.timeout,
    batchCountMax: entry.batch,
    refusalsMax: entry.refusals,
    failuresMax: entry.failures,
  };
  return { name, filter, start, type: "webhook", options };
}

function isPlainUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return (protocol === "http:" || protocol === "https:") && username === "" && password === "";
}
