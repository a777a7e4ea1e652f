import { Command, InvalidArgumentError } from "commander";
import { methodRules } from "../access/core/methods.ts";
import {
  aboutWorkflow,
  createPolicy,
  type Decision,
  isParticipantIn,
  maySayHello,
  nameOf,
  type Permission,
} from "../access/core/policy.ts";
import { isLikeOne } from "../access/core/scope.ts";
import { type AccessSettings, readAccessFile } from "../access-file.ts";
import { idPattern } from "../kernel/ids.ts";
import { nearest } from "../kernel/nearest.ts";
import { counted } from "../kernel/text.ts";
import { idArgument } from "./arguments.ts";
import { outputOption } from "./client.ts";
import { CommandError } from "./failure.ts";
import { type OutputFormat, print, printAs, tableLines } from "./output.ts";
import { addExamples } from "./rule/help.ts";

export function accessCommand(): Command {
  return new Command("access")
    .description("look at access files (concord serve --access): who may do what")
    .addCommand(checkCommand())
    .addCommand(explainCommand());
}

function checkCommand(): Command {
  const command = new Command("check")
    .description(
      "say what is wrong with an access file, and what is hardly meant. Exit code 0: a server takes it; 1: it does not",
    )
    .argument("<file>", "an access file")
    .addOption(outputOption());
  addExamples(command, ["concord access check access.yaml", "concord access check access.yaml -o json"]);
  return command.action((file: string, { output }: { readonly output: OutputFormat }) => {
    printAs(output);
    const read = readAccessFile(file);
    const problems = read.ok
      ? []
      : read.error.map(({ message }) => ({ severity: "error", message: message.replace(/^access: /, "") }));
    const all = read.ok ? warningsOf(read.value) : problems;
    if (problems.length > 0) process.exitCode = 1;
    if (output !== "table") {
      print(all.map((each) => JSON.stringify(each)));
      return;
    }
    print(all.map(({ severity, message }) => `${severity}: ${message}`));
    if (read.ok) print(`${counted(read.value.grants.length, "grant")}, ${counted(all.length, "warning")}`);
  });
}

type Problem = { readonly severity: string; readonly message: string };

/** What a server takes, and hardly anybody means. */
function warningsOf({ authentication: { tokens }, grants }: AccessSettings): readonly Problem[] {
  const ungranted = [...new Set(tokens.map(({ principal }) => principal))].filter(
    (name) => !grants.some(({ principals }) => isLikeOne(name, principals)),
  );
  const everybody = grants.flatMap(({ principals, roles }, index) =>
    principals.includes("*") && roles.includes("admin") ? [`grants[${index}] lets everybody with a proof do everything`] : [],
  );
  const nobody = grants.length === 0 ? ["there are no grants, so nobody may do anything"] : [];
  return [...nobody, ...ungranted.map((name) => `${name} has a token and no grant`), ...everybody].map((message) => ({
    severity: "warning",
    message,
  }));
}

type Asked = {
  readonly principal: string;
  readonly method?: string;
  readonly workflowId?: string;
  readonly type?: string;
  readonly participant?: string;
  readonly participantId: string;
  readonly output: OutputFormat;
};

function explainCommand(): Command {
  const command = new Command("explain")
    .description(
      "say whether a principal may call a method, by which grants or why not; without --method, which methods that one may call. Exit code 0: yes; 1: no",
    )
    .argument("<file>", "an access file")
    .requiredOption("--principal <name>", "who calls, as a proof names that one")
    .option("--method <name>", "such as TransitionWorkflow, or WorkflowService/ListAllowedTransitions", methodArgument)
    .option("--workflow-id <id>", "about this workflow", idArgument)
    .option("--type <name>", "the type of that workflow; left out, it has none", typeArgument)
    .option("--participant <id>", "under this participant id, or with it", idArgument)
    .option("--participant-id <id>", "the server's own: its workflow manager's", idArgument, "concord.workflow")
    .addOption(outputOption());
  addExamples(command, [
    "concord access explain access.yaml --principal ada",
    "concord access explain access.yaml --principal ada --method TransitionWorkflow --workflow-id lab-1 --type sample",
    "concord access explain access.yaml --principal inventory --method Participate --participant inventory -o json",
  ]);
  return command.action((file: string, asked: Asked) => {
    printAs(asked.output);
    const read = readAccessFile(file);
    if (!read.ok) throw new CommandError(read.error.map(({ message }) => message.replace(/^access: /, "")).join("\n"));
    const policy = createPolicy(read.value.grants, asked.participantId);
    const decide = (method: string): Decision => policy.decide({ name: asked.principal, by: "token" }, method);
    if (asked.method === undefined) explainAll(asked, decide);
    else explainOne(asked, asked.method, decide(asked.method));
  });
}

/** By any name that says which: its path, the service's and its own, or its own if there is only one. */
function methodArgument(text: string): string {
  const all = [...methodRules.keys()];
  const meant = all.filter(
    (method) => method === `/${text}` || method === text || method.endsWith(`.${text}`) || method.endsWith(`/${text}`),
  );
  const [method, ...others] = meant;
  if (method === undefined) {
    const names = all.map((each) => each.slice(each.lastIndexOf("/") + 1));
    const near = nearest(text, names);
    throw new InvalidArgumentError(near === undefined ? "There is no such method." : `There is no such method; is it ${near}?`);
  }
  if (others.length > 0) throw new InvalidArgumentError(`It is one of ${meant.map((each) => each.slice(1)).join(", ")}.`);
  return method;
}

function typeArgument(text: string): string {
  if (text !== "" && !idPattern.test(text)) throw new InvalidArgumentError("It is no name of a type.");
  return text;
}

function explainAll({ principal, output }: Asked, decide: (method: string) => Decision): void {
  const allowed = [...methodRules.keys()].flatMap((method) => {
    const decision = decide(method);
    return decision.allowed ? [{ method: method.slice(1), because: decision.because }] : [];
  });
  if (allowed.length === 0) process.exitCode = 1;
  if (output !== "table") {
    print(allowed.map((each) => JSON.stringify({ principal, allowed: true, ...each })));
    return;
  }
  if (allowed.length === 0) print(`${principal} may call nothing`);
  else
    print(
      tableLines(
        ["method", "because"],
        allowed.map(({ method, because }) => [nameOf(method), because.join("; ")]),
      ),
    );
}

/** What a server would answer besides, if the method may be called. */
type Answer = { readonly allowed: boolean; readonly reason?: string; readonly because: readonly string[] };

function explainOne(asked: Asked, method: string, decision: Decision): void {
  const { principal, output } = asked;
  const answer = decision.allowed ? answerOf(asked, method, decision.permission, decision.because) : denied(decision.because);
  if (!answer.allowed) process.exitCode = 1;
  if (output !== "table") {
    print(JSON.stringify({ principal, method: method.slice(1), ...answer }));
    return;
  }
  const verdict = answer.allowed ? "allowed" : `denied: ${answer.reason}`;
  print([`${principal} ${nameOf(method)}: ${verdict}`, ...answer.because.map((each) => `  ${each}`)]);
}

const denied = (because: readonly string[], reason = "PERMISSION_DENIED"): Answer => ({ allowed: false, reason, because });

function answerOf(
  { workflowId, type = "", participant }: Asked,
  method: string,
  permission: Permission,
  because: readonly string[],
): Answer {
  const concern = methodRules.get(method)?.concern;
  if (workflowId !== undefined && concern === "workflows") {
    const workflow = `workflow ${workflowId} of ${type === "" ? "no type" : `type ${type}`}`;
    const about = aboutWorkflow(permission, { id: workflowId, type });
    if (about === "denied") return denied([...because, `and it may see ${workflow}, but not this`]);
    if (about === "hidden") {
      // Of what the request itself describes there is nothing to be hidden.
      const reason =
        method.startsWith("/concord.workflow.") && !method.endsWith("/CreateWorkflow") ? "WORKFLOW_NOT_FOUND" : undefined;
      return denied([...because, `and none of that is ${workflow}`], reason);
    }
  }
  if (participant !== undefined) {
    const may =
      concern === "session" ? maySayHello(permission, participant) : isParticipantIn(permission.participants, participant);
    if (!may) return denied([...because, `and none of that is participant ${participant}`]);
  }
  return { allowed: true, because };
}
