import { resolve } from "node:path";
import { Command } from "commander";
import { formatDuration } from "../config.ts";
import { addressArgument, idArgument, timeoutArgument } from "./arguments.ts";
import { outputOption } from "./client.ts";
import { existing } from "./context/apply.ts";
import { type Context, type Contexts, contextsPath, readContexts, writeContexts } from "./context/file.ts";
import { UsageError } from "./failure.ts";
import { fieldLines, type OutputFormat, print, printAs, tableLines } from "./output.ts";
import { type SecurityOptions, speaksTls, tlsFlags } from "./security.ts";

type Shown = { readonly output: OutputFormat };

export function contextCommand(): Command {
  const command = new Command("context").description("remember where Concords are, under names, and which is meant");
  command.addCommand(addCommand());
  command.addCommand(useCommand());
  command.addCommand(listCommand());
  command.addCommand(showCommand());
  command.addCommand(removeCommand());
  return command.addHelpText("after", () => `\nThey are kept in ${contextsPath() ?? "no file: there is no home"}.`);
}

function addCommand(): Command {
  type Options = SecurityOptions & {
    readonly address: string;
    readonly predicateAddress?: string;
    readonly commitAddress?: string;
    readonly timeout?: number;
    readonly use?: true;
    readonly replace?: true;
  };
  const command = new Command("add");
  for (const [flags, description] of tlsFlags) command.option(flags, description);
  return command
    .description("remember a Concord; the first one is in use at once")
    .argument("<name>", "what to call it", idArgument)
    .requiredOption("--address <host:port>", "where it is", addressArgument)
    .option("--predicate-address <host:port>", "where PredicateLogic is, if another process serves it", addressArgument)
    .option("--commit-address <host:port>", "where TwoPhaseCommit is, if another process serves it", addressArgument)
    .option("--timeout <duration>", "how long to wait for its answers", timeoutArgument)
    .option("--token-file <file>", "what proves who calls is in this file")
    .option("--use", "use it from now on")
    .option("--replace", "also if there is one of this name")
    .action((name: string, options: Options) => {
      const { address, predicateAddress, commitAddress, timeout, use, replace } = options;
      const known = readContexts();
      if (Object.hasOwn(known.contexts, name) && replace !== true)
        throw new UsageError(`there is a context ${name} already; --replace replaces it`);
      const context: Context = {
        address,
        ...(predicateAddress === undefined ? {} : { predicate: predicateAddress }),
        ...(commitAddress === undefined ? {} : { commit: commitAddress }),
        ...(timeout === undefined ? {} : { timeout: formatDuration(timeout) }),
        ...securityFields(options),
      };
      const current = use === true ? name : (known.current ?? name);
      writeContexts({ current, contexts: { ...known.contexts, [name]: context } });
      print(current === name ? `${name} is in use` : `${name} is remembered; concord context use ${name} uses it`);
    });
}

/** Whoever uses it may be in another folder. */
function securityFields({ tlsCa, tlsCert, tlsKey, tlsServerName, tokenFile, ...options }: SecurityOptions): Partial<Context> {
  const files = { tls_ca: tlsCa, tls_cert: tlsCert, tls_key: tlsKey, token_file: tokenFile };
  const named = Object.entries(files).flatMap(([name, path]) => (path === undefined ? [] : [[name, resolve(path)]]));
  return {
    ...(speaksTls({ ...options, tlsCa, tlsCert, tlsKey, tlsServerName }) && { tls: true }),
    ...Object.fromEntries(named),
    ...(tlsServerName !== undefined && { tls_server_name: tlsServerName }),
  };
}

function useCommand(): Command {
  return new Command("use")
    .description("use this one from now on")
    .argument("<name>")
    .action((name: string) => {
      const known = readContexts();
      existing(known, name);
      writeContexts({ ...known, current: name });
      print(`${name} is in use`);
    });
}

function listCommand(): Command {
  return new Command("list")
    .description("list them; * is in use")
    .addOption(outputOption())
    .action(({ output }: Shown) => {
      printAs(output);
      const known = readContexts();
      const names = Object.keys(known.contexts).sort();
      if (output !== "table") print(names.map((name) => JSON.stringify(shapeOf(known, name))));
      else
        print(
          tableLines(
            ["", "context", "address", "predicate", "commit", "timeout"],
            names.map((name) => rowOf(known, name)),
          ),
        );
    });
}

function showCommand(): Command {
  return new Command("show")
    .description("show one")
    .argument("[name]", "left out, the one in use")
    .addOption(outputOption())
    .action((named: string | undefined, { output }: Shown) => {
      printAs(output);
      const known = readContexts();
      const name = named ?? known.current;
      if (name === undefined) throw new UsageError("no context is in use; concord context add NAME --address host:port adds one");
      existing(known, name);
      if (output !== "table") print(JSON.stringify(shapeOf(known, name)));
      else print(fieldLines(Object.entries(shapeOf(known, name)).map(([field, value]) => [field, String(value)])));
    });
}

function removeCommand(): Command {
  return new Command("remove")
    .description("forget one")
    .argument("<name>")
    .action((name: string) => {
      const known = readContexts();
      existing(known, name);
      const { [name]: _, ...contexts } = known.contexts;
      const { current } = known;
      writeContexts({ ...(current === undefined || current === name ? {} : { current }), contexts });
      print(current === name ? `${name} is forgotten; none is in use` : `${name} is forgotten`);
    });
}

const shapeOf = (known: Contexts, name: string) => ({ name, ...existing(known, name), inUse: known.current === name });

function rowOf(known: Contexts, name: string): readonly string[] {
  const { address, predicate = "-", commit = "-", timeout = "-" } = existing(known, name);
  return [known.current === name ? "*" : "", name, address, predicate, commit, timeout];
}
