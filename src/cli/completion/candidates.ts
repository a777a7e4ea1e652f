import type { Argument, Command, Option } from "commander";

/** What may stand where the cursor is. */
export type Candidate = { readonly value: string; readonly description: string };

/** Names that only a server knows, or a file; `kind` says which. */
export type Names = (kind: NameKind, prefix: string) => Promise<readonly string[]>;

export type NameKind =
  | "workflow"
  | "transaction"
  | "participant"
  | "rule"
  | "type"
  | "sink"
  | "operation"
  | "method"
  | "context"
  | "state"
  | "outcome";

/**
 * The words after `concord`, the last one as far as it is typed. Undefined: a file, or something that nobody can know.
 */
export async function candidatesFor(
  program: Command,
  words: readonly string[],
  names: Names,
): Promise<readonly Candidate[] | undefined> {
  const typed = words.at(-1) ?? "";
  const place = placeOf(program, words.slice(0, -1));
  const found = await possible(place, typed, names);
  return found?.filter(({ value }) => value.startsWith(typed));
}

/** Where the command line has come to. */
type Place = {
  readonly command: Command;
  /** Whose value comes next. */
  readonly option: Option | undefined;
  readonly argumentCount: number;
};

function placeOf(program: Command, words: readonly string[]): Place {
  let command = program;
  let option: Option | undefined;
  let argumentCount = 0;
  for (const word of words) {
    if (option !== undefined) {
      option = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const given = command.options.find(({ long, short }) => long === word || short === word);
      option = given?.required ? given : undefined;
      continue;
    }
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) argumentCount += 1;
    else [command, argumentCount] = [next, 0];
  }
  return { command, option, argumentCount };
}

async function possible(
  { command, option, argumentCount }: Place,
  typed: string,
  names: Names,
): Promise<readonly Candidate[] | undefined> {
  if (option !== undefined) return valuesOf(option, kindOfOption(option), typed, names);
  if (typed.startsWith("-")) return optionsOf(command);
  if (command.commands.length > 0) return argumentCount === 0 ? visibleCommands(command) : undefined;
  const { registeredArguments: all } = command;
  const last = all.at(-1);
  const argument = all[argumentCount] ?? (last?.variadic ? last : undefined);
  return argument && valuesOf(argument, kindOfArgument(command, argument), typed, names);
}

async function valuesOf(
  { argChoices }: Option | Argument,
  kind: NameKind | undefined,
  typed: string,
  names: Names,
): Promise<readonly Candidate[] | undefined> {
  const values = argChoices ?? (kind === undefined ? undefined : await names(kind, typed));
  return values?.map((value) => ({ value, description: "" }));
}

const optionsOf = ({ options }: Command): readonly Candidate[] =>
  options.filter(({ hidden }) => !hidden).map(({ long, short, description }) => ({ value: long ?? short ?? "", description }));

const visibleCommands = (command: Command): readonly Candidate[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ value: each.name(), description: each.description() }));

function kindOfOption({ long, description }: Option): NameKind | undefined {
  if (long === "--context") return description.includes("JSON") ? undefined : "context";
  return kinds[(long ?? "").slice(2)];
}

/** What is called an id is one of what its command is about. */
function kindOfArgument(command: Command, argument: Argument): NameKind | undefined {
  const name = argument.name();
  if (name !== "id" && name !== "name") return kinds[name];
  for (let each: Command | null = command.parent; each !== null; each = each.parent) {
    const kind = kinds[each.name()];
    if (kind !== undefined) return kind;
  }
  return undefined;
}

const kinds: Readonly<Record<string, NameKind | undefined>> = {
  workflow: "workflow",
  tx: "transaction",
  transaction: "transaction",
  participants: "participant",
  "participant=payload": "participant",
  enlist: "participant",
  rule: "rule",
  type: "type",
  sink: "sink",
  operation: "operation",
  method: "method",
  context: "context",
  state: "state",
  to: "state",
  outcome: "outcome",
};
