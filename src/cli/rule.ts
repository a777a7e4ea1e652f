import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { Judgement, Rule, type RuleMove, TransitionVerdict } from "../gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowState } from "../gen/concord/workflow/v1/workflow.ts";
import { type WorkflowState as StateName, workflowStates } from "../kernel/lifecycle.ts";
import {
  addClientOptions,
  addMutationOptions,
  type ClientOptions,
  type Clients,
  collect,
  integerArgument,
  jsonArgument,
  type Mutation,
  readPages,
  withChange,
  withClients,
} from "./client.ts";
import { CommandError } from "./failure.ts";
import { enumText, fieldLines, jsonText, type OutputFormat, print, tableLines } from "./output.ts";
import { stateArgument } from "./workflow.ts";

const ruleType = "concord.predicate.v1.Rule";

export function ruleCommand(): Command {
  const command = new Command("rule").description("write, activate and try rules");
  command.addCommand(createCommand());
  command.addCommand(listCommand());
  command.addCommand(stateCommand("activate", "make a rule judge from now on"));
  command.addCommand(stateCommand("deactivate", "make a rule judge no more"));
  command.addCommand(checkCommand());
  return command;
}

function createCommand(): Command {
  const command = new Command("create")
    .description("store a rule; it judges nothing until it is activated")
    .argument("<id>")
    .argument("[expression]", "CEL; true allows the move; left out, --file is read")
    .option("--file <path>", "read the expression from a file")
    .option("--description <text>", "what it is for", "")
    .option("--move <from:to>", "only this move; * is any state; may be repeated", collect(moveArgument))
    .option("--message <cel>", "a CEL string shown when the rule denies", "")
    .option("--priority <n>", "higher is reported first", integerArgument(-1000, 1000), 0)
    .option("--activate", "activate it at once");
  type Options = ClientOptions &
    Mutation & {
      readonly file?: string;
      readonly description: string;
      readonly move?: readonly RuleMove[];
      readonly message: string;
      readonly priority: number;
      readonly activate?: true;
    };
  return addClientOptions(addMutationOptions(command, "written by hand")).action(
    (ruleId: string, expression: string | undefined, options: Options) =>
      withChange(options, [lookAtRules], async ({ predicates }, { requestId, call }) => {
        const { description, message, priority, reason, by: requestedBy } = options;
        const request = {
          ruleId,
          description,
          moves: options.move ?? [],
          expression: expression ?? readExpression(options.file),
          message,
          priority,
          reason,
          requestedBy,
          requestId,
        };
        const created = await predicates.createRule(request, call);
        if (options.activate !== true) {
          printRule(options.output, created.rule);
          return;
        }
        // One id is one request: the second has one that a retry of both leads to.
        const activationId = createHash("sha256").update(requestId).digest("base64url");
        const activation = { ruleId, reason, requestedBy, requestId: activationId };
        const activated = await predicates.activateRule(activation, call);
        printRule(options.output, activated.rule);
      }),
  );
}

const lookAtRules = "concord rule list";

function readExpression(file: string | undefined): string {
  if (file === undefined) throw new CommandError("give the expression as an argument, or a file with --file");
  return readFileSync(file, "utf8").trim();
}

function listCommand(): Command {
  const command = new Command("list")
    .description("list rules")
    .option("--filter <cel>", `a condition, such as 'rule.state == "ACTIVE"'`, "");
  return addClientOptions(command).action((options: ClientOptions & { readonly filter: string }) =>
    withClients(options, async ({ predicates }) => {
      let revision = 0n;
      const { items: found } = await readPages(Number.POSITIVE_INFINITY, async (page) => {
        const answer = await predicates.listRules({ ...page, filter: options.filter }, { deadline: options.timeout });
        revision = answer.ruleSetRevision;
        return [answer.rules, answer.nextPageToken];
      });
      if (options.output === "json") {
        for (const rule of found) print(jsonText(ruleType, Rule, rule));
        return;
      }
      const rows = found.map((rule) => [rule.ruleId, stateText(rule), movesText(rule), String(rule.priority), rule.expression]);
      print(tableLines(["rule", "state", "moves", "priority", "expression"], rows));
      print(`rule set revision ${revision}`);
    }),
  );
}

function stateCommand(verb: "activate" | "deactivate", description: string): Command {
  const command = new Command(verb).description(description).argument("<id>");
  return addClientOptions(addMutationOptions(command, `${verb}d by hand`)).action(
    (ruleId: string, options: ClientOptions & Mutation) =>
      withChange(options, [lookAtRules], async ({ predicates }, { requestId, call }) => {
        const request = { ruleId, reason: options.reason, requestedBy: options.by, requestId };
        const change = verb === "activate" ? predicates.activateRule : predicates.deactivateRule;
        const { rule } = await change(request, call);
        printRule(options.output, rule);
      }),
  );
}

function checkCommand(): Command {
  const command = new Command("check")
    .description("ask whether a workflow may make a move, without making it")
    .argument("<workflow>")
    .argument("<state>", "the state to move to", stateArgument)
    .option("--context <json>", "a JSON object for the rules to look at", jsonArgument);
  type Options = ClientOptions & Mutation & { readonly context?: { readonly [key: string]: unknown } };
  return addClientOptions(addMutationOptions(command, "checked by hand")).action(
    (workflowId: string, state: StateName, options: Options) =>
      withClients(options, async (clients) => printVerdict(options.output, await check(clients, workflowId, state, options))),
  );
}

async function check(
  { workflows, predicates }: Clients,
  workflowId: string,
  state: StateName,
  options: ClientOptions & Mutation & { readonly context?: { readonly [key: string]: unknown } },
): Promise<TransitionVerdict | undefined> {
  const { reason, by: requestedBy, context, timeout } = options;
  const { workflow } = await workflows.getWorkflow({ workflowId }, { deadline: timeout });
  const question = { workflow, targetState: WorkflowState[state], reason, requestedBy, context };
  const { verdict } = await predicates.validateTransition({ check: question }, { deadline: timeout });
  return verdict;
}

/** Exit code 0: allowed. 1: not. */
function printVerdict(format: OutputFormat, verdict: TransitionVerdict | undefined): void {
  if (verdict === undefined) throw new Error("the server answered without a verdict");
  if (verdict.judgement !== Judgement.ALLOWED) process.exitCode = 1;
  if (format === "json") {
    print(jsonText("concord.predicate.v1.TransitionVerdict", TransitionVerdict, verdict));
    return;
  }
  print(`${enumText("JUDGEMENT_", verdict.judgement)} (rule set revision ${verdict.ruleSetRevision})`);
  for (const { ruleId, message } of verdict.violations) print(`  ${ruleId}: ${message}`);
  if (verdict.judgement === Judgement.INVALID_TRANSITION) {
    const allowed = verdict.allowedStates.map((state) => enumText("WORKFLOW_STATE_", state));
    print(`  it can go to: ${allowed.join(", ") || "nowhere, it is in a terminal state"}`);
  }
}

function printRule(format: OutputFormat, rule: Rule | undefined): void {
  if (rule === undefined) throw new Error("the server answered without a rule");
  if (format === "json") {
    print(jsonText(ruleType, Rule, rule));
    return;
  }
  print(
    fieldLines([
      ["rule", rule.ruleId],
      ["state", stateText(rule)],
      ["version", String(rule.version)],
      ["moves", movesText(rule)],
      ["expression", rule.expression],
      ["message", rule.message],
      ["priority", String(rule.priority)],
      ["description", rule.description],
    ]),
  );
}

function stateText({ state }: Rule): string {
  return enumText("RULE_STATE_", state);
}

function movesText({ moves }: Rule): string {
  const name = (state: WorkflowState) => (state === WorkflowState.UNSPECIFIED ? "*" : enumText("WORKFLOW_STATE_", state));
  return moves.length === 0 ? "all" : moves.map(({ fromState, toState }) => `${name(fromState)}:${name(toState)}`).join(" ");
}

/** `ACTIVE:COMPLETED`, `*:CANCELLED`. */
export function moveArgument(text: string): RuleMove {
  const states = text.split(":").map((name) => {
    if (name === "*") return WorkflowState.UNSPECIFIED;
    const known = workflowStates.find((state) => state === name.toUpperCase());
    if (known === undefined) throw new InvalidArgumentError(`It must be FROM:TO; each one of *, ${workflowStates.join(", ")}.`);
    return WorkflowState[known];
  });
  const [fromState, toState] = states;
  if (fromState === undefined || toState === undefined || states.length !== 2) {
    throw new InvalidArgumentError("It must be FROM:TO, such as ACTIVE:COMPLETED or *:CANCELLED.");
  }
  return { fromState, toState };
}
