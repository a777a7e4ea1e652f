import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { addressSchema, environmentName, parseDurationMs } from "../../config.ts";
import { idPattern, idWords } from "../../kernel/ids.ts";
import { UsageError } from "../failure.ts";
import { yamlText } from "../yaml-text.ts";

const address = addressSchema();
const timeout = z.string().refine((text) => (parseDurationMs(text) ?? 0) > 0, "must be a duration above 0, such as 10s");

const file = z.string().min(1);

const contextSchema = z.strictObject({
  address,
  /** Of services that are served by other processes. */
  predicate: address.optional(),
  commit: address.optional(),
  timeout: timeout.optional(),
  tls: z.boolean().optional(),
  tls_ca: file.optional(),
  tls_cert: file.optional(),
  tls_key: file.optional(),
  tls_server_name: z.string().min(1).optional(),
  /** What proves who calls is in this file. */
  token_file: file.optional(),
});

const fileSchema = z.strictObject({
  current: z.string().optional(),
  contexts: z.record(z.string().regex(idPattern, idWords), contextSchema),
});

/** Where a Concord is, under a name. */
export type Context = z.output<typeof contextSchema>;

export type Contexts = { readonly current?: string | undefined; readonly contexts: Readonly<Record<string, Context>> };

/** As XDG has it. Undefined: a user without a home has none. */
export function contextsPath(): string | undefined {
  const named = process.env[environmentName("contexts")];
  if (named) return named;
  const folder = process.env["XDG_CONFIG_HOME"];
  if (folder) return join(folder, "concord", "contexts.yaml");
  try {
    return join(homedir(), ".config", "concord", "contexts.yaml");
  } catch {
    return undefined;
  }
}

/** Throws a `UsageError` if it is not as it was written. */
export function readContexts(): Contexts {
  const path = contextsPath();
  const text = path === undefined ? undefined : textOf(path);
  if (text === undefined) return { contexts: {} };
  const read = fileSchema.safeParse(parsed(text));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new UsageError(`${path}: ${issue?.path.join(".")} ${issue?.message}`);
}

function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UsageError(`contexts cannot be read: ${String(error)}`);
  }
}

/** Whole, or not at all, and for its owner only: where production is, is nobody else's business. */
export function writeContexts(contexts: Contexts): void {
  const path = contextsPath();
  if (path === undefined)
    throw new UsageError(`there is no home to keep contexts in; name a file: ${environmentName("contexts")}`);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, yamlText(contexts), { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  } catch (error) {
    throw new UsageError(`contexts cannot be written: ${String(error)}`);
  }
}
