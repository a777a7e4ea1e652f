import { ClientError, Status } from "nice-grpc";
import { counted } from "../../kernel/text.ts";
import type { Position } from "../../predicate/core/position.ts";
import { type ClientFailure, clientFailure } from "../../rpc/errors.ts";
import { type ClientOptions, type Mutation, withChange } from "../client.ts";
import { CommandError } from "../failure.ts";
import { type FileProblem, problemLines } from "../rule-files/problem.ts";

/** A field that the server refuses, and the part of the rule set that has it, as far as it says so. */
export type Refused = { readonly kind: string | undefined; readonly name: string | undefined; readonly field: string };

/** Where a field comes from. Nothing: it is not known here. */
export type SourceOf = (refused: Refused, within: Position | undefined) => FileProblem["place"] | undefined;

/** As `withChange`. What is wrong with a rule is told as compilers tell it; of what is refused, what can be done instead. */
export function withRuleChange(
  options: ClientOptions & Mutation,
  look: string,
  run: Parameters<typeof withChange>[2],
  sourceOf?: SourceOf,
): Promise<void> {
  return withChange(options, [look], (clients, asked) => explained(run(clients, asked), sourceOf));
}

export async function explained<Value>(call: Promise<Value>, sourceOf: SourceOf = () => undefined): Promise<Value> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const lines = explanationOf(clientFailure(error), sourceOf);
    throw lines === undefined ? error : new CommandError(lines.join("\n"), { cause: error });
  }
}

/** Only of calls that have changed nothing. */
function explanationOf(failure: ClientFailure, sourceOf: SourceOf): readonly string[] | undefined {
  const { reason, code, message, metadata, preconditions } = failure;
  const head = (text: string): readonly string[] => [text, `  ${Status[code]} / ${reason}`];
  switch (reason) {
    case "RULE_INVALID":
    case "INVALID_REQUEST": {
      const problems = failure.fields.map((field) => fieldProblem(field, metadata, sourceOf));
      // What the server says is as good then.
      if (!problems.some(({ place }) => "line" in place)) return undefined;
      return [...head(counted(problems.length, "problem")), ...problems.flatMap(problemLines)];
    }
    case "RULE_TESTS_FAILED":
      return [
        ...head(`${metadata["failed"]} of ${counted(Number(metadata["total"]), "test")} would fail; what judges is as it was`),
        ...preconditions.map(({ subject, description }) => `  ${subject}: ${description}`),
        ...moreLines(Number(metadata["failed"]) - preconditions.length),
      ];
    case "RULE_STATE":
      return [...head(message), ...(nextSteps[metadata["state"] ?? ""]?.(metadata["rule_id"] ?? "") ?? [])];
    case "RULE_ALREADY_EXISTS":
      return [
        ...head(message),
        `  concord rule get ${metadata["rule_id"]}: shows it`,
        `  concord rule update ${metadata["rule_id"]}: a new version of it`,
        `  concord rule activate ${metadata["rule_id"]}: it judges as it is stored`,
      ];
    default:
      return undefined;
  }
}

const moreLines = (more: number): readonly string[] => (more > 0 ? [`  and ${more} more`] : []);

type FieldViolation = ClientFailure["fields"][number];

function fieldProblem(violation: FieldViolation, metadata: ClientFailure["metadata"], sourceOf: SourceOf): FileProblem {
  const [, kind, quoted, inner] = /^(rule|fact|workflow type|test) "([^"]*)" (.+)$/.exec(violation.field) ?? [];
  const { rule_id: ruleId, name } = metadata;
  const refused = {
    kind: kind ?? (ruleId === undefined ? undefined : "rule"),
    name: quoted ?? ruleId ?? name,
    field: inner ?? violation.field,
  };
  // predicate/core: describeCompileError. What stands below it is the line that is shown here anyway.
  const [, line, column, told] = /^line (\d+), column (\d+): ([^\n]*)/.exec(violation.description) ?? [];
  const place = sourceOf(refused, line === undefined ? undefined : { line: Number(line), column: Number(column) });
  return place === undefined
    ? { severity: "error", place: { file: violation.field }, message: violation.description }
    : { severity: "error", place, message: told ?? violation.description };
}

/** What can be done with a rule in a state, as far as it is a rule's life. */
const nextSteps: Readonly<Record<string, (ruleId: string) => readonly string[]>> = {
  DRAFT: (id) => [`  concord rule activate ${id}: it judges`, `  concord rule delete ${id}: it is removed`],
  ACTIVE: (id) => [`  concord rule deactivate ${id}: it judges no more`],
  SHADOW: (id) => [`  concord rule activate ${id}: it judges`, `  concord rule shadow ${id} --end: it is judged no more`],
  INACTIVE: (id) => [`  concord rule activate ${id}: it judges again`, `  concord rule deprecate ${id}: it is given up`],
  DEPRECATED: (id) => [`  concord rule update ${id}: a new version takes it back`],
};

/** Of fields that were typed as arguments or read from a file: each is a text of its own. */
export const sourceOfTexts =
  (name: string, texts: Readonly<Record<string, { readonly text: string; readonly file?: string | undefined }>>): SourceOf =>
  (refused, within) => {
    const source = texts[refused.field];
    if (refused.name !== name || source === undefined) return undefined;
    const file = source.file ?? refused.field;
    return within === undefined
      ? { file }
      : { file, ...within, lineText: source.text.split(/\r\n|\r|\n/)[within.line - 1] ?? "" };
  };
