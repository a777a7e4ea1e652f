import { type Command, Option } from "commander";
import { environmentName, parseDurationMs } from "../../config.ts";
import { nearest } from "../../kernel/nearest.ts";
import { UsageError } from "../failure.ts";
import type { SecurityOptions } from "../security.ts";
import { type Context, type Contexts, readContexts } from "./file.ts";

const variable = environmentName("context");

/** Of the program, for all commands; and of a command, unless it has another option of this name. */
export const contextOption = (): Option =>
  new Option("--context <name>", "the Concord of this name (concord context)").env(variable);

export function addContext(command: Command): void {
  if (!command.options.some(({ long }) => long === "--context")) command.addOption(contextOption());
  command.hook("preAction", (_, action) => applyContext(action));
}

/**
 * Sets what the command line leaves open: `--address` before `--context`, both before the environment (CONCORD_ADDRESS before
 * CONCORD_CONTEXT), that before the context in use.
 */
export function applyContext(command: Command): void {
  const source = command.getOptionValueSource("address");
  const { name, isAsked = false } = chosen(command);
  if (source === "cli" || (source === "env" && !isAsked)) return;
  const known = readContexts();
  const wanted = name ?? known.current;
  if (wanted === undefined) return;
  const context = existing(known, wanted);
  const { address, predicate, commit, timeout } = context;
  command.setOptionValueWithSource("address", address, "config");
  command.setOptionValueWithSource("elsewhere", { predicate, commit }, "config");
  // What proves who is who goes with where that is proved.
  for (const [name, value] of Object.entries(securityIn(context))) {
    if (value !== undefined && command.getOptionValueSource(name) !== "cli")
      command.setOptionValueWithSource(name, value, "config");
  }
  const isOpen = command.getOptionValueSource("timeout") === "default";
  if (timeout !== undefined && isOpen) command.setOptionValueWithSource("timeout", parseDurationMs(timeout), "config");
}

const securityIn = (context: Context): SecurityOptions => ({
  tls: context.tls,
  tlsCa: context.tls_ca,
  tlsCert: context.tls_cert,
  tlsKey: context.tls_key,
  tlsServerName: context.tls_server_name,
  tokenFile: context.token_file,
});

/** By the command line of the command or of the program, else by the environment. */
function chosen(command: Command): { readonly name?: string; readonly isAsked?: boolean } {
  for (let each: Command | null = command; each !== null; each = each.parent) {
    const isOurs = each.options.some(({ long, envVar }) => long === "--context" && envVar === variable);
    if (isOurs && each.getOptionValueSource("context") === "cli") return { name: each.getOptionValue("context"), isAsked: true };
  }
  const name = process.env[variable];
  return name ? { name } : {};
}

/** Throws a `UsageError` if there is none of this name. */
export function existing({ contexts }: Contexts, name: string): Context {
  const context = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (context !== undefined) return context;
  const names = Object.keys(contexts);
  const meant = nearest(name, names);
  const hint = meant === undefined ? `add it: concord context add ${name} --address host:port` : `did you mean ${meant}?`;
  throw new UsageError(
    `no context is called ${name}; ${names.length === 0 ? "there is none" : `there are ${names.join(", ")}`}; ${hint}`,
  );
}
