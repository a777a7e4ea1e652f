import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Rule, RuleAction, type RuleMove, RuleOperation } from "../../gen/concord/predicate/v1/rule_set.ts";
import { collect, idArgument, integerArgument } from "../arguments.ts";
import { CommandError } from "../failure.ts";
import { moveWords, parseMove } from "../rule-files/move.ts";

/** The fields of a rule that its author writes, as CreateRule and UpdateRule take them. */
export type RuleFields = Pick<
  Rule,
  "description" | "operations" | "moves" | "workflowTypes" | "condition" | "expression" | "message" | "priority" | "action"
>;

export type FieldOptions = {
  readonly file?: string;
  readonly description?: string;
  readonly operation?: readonly RuleOperation[];
  readonly move?: readonly RuleMove[];
  readonly type?: readonly string[];
  readonly condition?: string;
  readonly message?: string;
  readonly priority?: number;
  readonly action?: RuleAction;
};

/** Without defaults: what is not given is empty in a new rule, and as it was in a new version. */
export const addFieldOptions = (command: Command): Command =>
  command
    .option("--file <path>", "read the expression from a file")
    .option("--description <text>", "what it is for")
    .option(
      "--operation <what>",
      "what it judges: transition, which is meant if nothing is said, or update, a change of metadata; may be repeated",
      collect(operationArgument),
    )
    .option("--move <from:to>", "only this move; * is any state; may be repeated", collect(moveArgument))
    .option("--type <name>", "only workflows of this type; * is any; may be repeated", collect(typeArgument))
    .option("--condition <cel>", "only if this is true")
    .option("--message <cel>", "a CEL string shown when the rule does not hold")
    .option("--priority <n>", "-1000 to 1000; higher is reported first", integerArgument(-1000, 1000))
    .addOption(
      new Option("--action <action>", "what happens when it does not hold: deny, warn or audit").argParser(actionArgument),
    );

/** Where all fields of a new rule stand. */
const emptyFields: RuleFields = {
  description: "",
  operations: [],
  moves: [],
  workflowTypes: [],
  condition: "",
  expression: "",
  message: "",
  priority: 0,
  action: RuleAction.DENY,
};

/** `base`: the version that they change. */
export function fieldsOf(expression: string | undefined, options: FieldOptions, base: RuleFields = emptyFields): RuleFields {
  const written = expression ?? readExpression(options.file) ?? base.expression;
  if (written === "") throw new CommandError("give the expression as an argument, or a file with --file");
  return {
    expression: written,
    description: options.description ?? base.description,
    operations: options.operation ?? base.operations,
    moves: options.move ?? base.moves,
    workflowTypes: (options.type ?? base.workflowTypes).filter((type) => type !== any),
    condition: options.condition ?? base.condition,
    message: options.message ?? base.message,
    priority: options.priority ?? base.priority,
    action: options.action ?? base.action,
  };
}

export const readExpression = (file: string | undefined): string | undefined =>
  file === undefined ? undefined : readText(file).trimEnd();

export function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CommandError(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

const any = "*";

/** `ACTIVE:COMPLETED`, `*:CANCELLED`. */
export function moveArgument(text: string): RuleMove {
  const move = parseMove(text);
  if (move === undefined) throw new InvalidArgumentError(`It must be ${moveWords}, such as ACTIVE:COMPLETED or *:CANCELLED.`);
  return move;
}

function operationArgument(text: string): RuleOperation {
  const operation = { transition: RuleOperation.TRANSITION, update: RuleOperation.UPDATE }[text.toLowerCase()];
  if (operation === undefined) throw new InvalidArgumentError("It must be transition or update.");
  return operation;
}

const typeArgument = (text: string): string => (text === any ? any : idArgument(text));

function actionArgument(text: string): RuleAction {
  const action = { deny: RuleAction.DENY, warn: RuleAction.WARN, audit: RuleAction.AUDIT }[text.toLowerCase()];
  if (action === undefined) throw new InvalidArgumentError("It must be deny, warn or audit.");
  return action;
}

export const ruleVersionArgument = integerArgument(1, 2 ** 31 - 1);
export const revisionArgument = integerArgument(0, Number.MAX_SAFE_INTEGER);
