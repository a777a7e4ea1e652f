import type { DescField } from "@bufbuild/protobuf";
import { oneOf, type Tape, type Vocabulary, wild } from "../random-message.ts";

/** What earlier answers have told: a caller who knows it gets further. */
export type Learnt = {
  readonly transactionIds: string[];
  readonly pageTokens: string[];
};

/** Numbers the messages of a session. */
export type Place = { readonly sequence: number };

/** Of a hundred values one is wild: most messages are right, or wrong in one place. */
const wildOneIn = 100;

const expressions = [
  "true",
  "false",
  "workflow.version > 1",
  "from != to",
  'request.requested_by == "ada"',
  "workflow.metadata.n.all(x, x >= 0.0)",
  "workflow.metadata.n.map(x, x * x).filter(y, y > 4.0).size() < 100",
  'workflow.id.matches("w-[0-9]+")',
  "workflow.nothing",
] as const;

const messages = ["", '"denied by " + workflow.id', "string(workflow.version)", "1 +"] as const;

const filters = [
  "",
  'workflow.state == "ACTIVE"',
  'event.type == "TRANSITION" && event.sequence > 5',
  'event.workflow_id == "w-1"',
  'rule.state == "ACTIVE"',
  "rule.priority > 0",
  "transaction.in_doubt",
  'transaction.phase == "COMPLETED"',
  'workflow.metadata.a == "b"',
  "event.metadata.n.exists(x, x == 1.0)",
  "nothing == 1",
  "1 ==",
] as const;

/** Few of each, so that calls meet: a name made again, a hold in the way, a request id with another request. */
const names: Readonly<Record<string, (tape: Tape, learnt: Learnt) => string>> = {
  workflow_id: (tape) => `w-${tape.below(200)}`,
  rule_id: (tape) => `rule-${tape.below(8)}`,
  participant_id: (tape) => `p-${tape.below(4)}`,
  coordinator_id: () => "someone-else",
  instance_id: (tape) => `i-${tape.below(3)}`,
  request_id: (tape) => `r-${tape.below(40)}`,
  transaction_id: (tape, { transactionIds }) => transactionIds[tape.below(transactionIds.length)] ?? "none",
  page_token: (tape, { pageTokens }) => pageTokens[tape.below(pageTokens.length)] ?? "",
  expression: (tape) => oneOf(expressions, tape),
  message: (tape) => oneOf(messages, tape),
  filter: (tape) => oneOf(filters, tape),
  requested_by: (tape) => oneOf(["ada", "grace"], tape),
};

/** Set in few messages: each leads away from what others do. */
const rare = new Set([
  "page_token",
  "filter",
  "request_id",
  "enlist",
  "moves",
  "expected_version",
  "timeout",
  "wait_for_participants",
]);

const words = ["", "a", "b", "n", "ok", "an ordinary reason", "ä 😀", "x".repeat(200)] as const;
const integers = [1n, 2n, 3n, 5n, 100n, 0n] as const;
const doubles = [0, 1, -1.5, 7, 1e6] as const;

/** What people say, who are wrong now and then. */
export function ordinary(learnt: Learnt, { sequence }: Place): Vocabulary {
  const isWild = (tape: Tape): boolean => tape.below(wildOneIn) === 0;
  const count = ({ fieldKind, name }: DescField, tape: Tape): number => {
    if (fieldKind === "list" || fieldKind === "map") return rare.has(name) && tape.below(8) > 0 ? 0 : tape.below(4);
    return tape.below(10) < (rare.has(name) ? 1 : 9) ? 1 : 0;
  };
  return {
    count,
    text: (field, tape) => (isWild(tape) ? wild.text(field, tape) : (names[field.name]?.(tape, learnt) ?? oneOf(words, tape))),
    integer: (field, tape) => {
      if (isWild(tape)) return wild.integer(field, tape);
      if (field.name === "sequence") return BigInt(sequence);
      if (field.name.startsWith("version_m")) return 1n;
      if (field.name === "nanos") return oneOf([0n, 1_000_000n, 500_000_000n], tape);
      // Nobody waits here for minutes.
      return field.name === "seconds" ? oneOf([0n, 1n], tape) : oneOf(integers, tape);
    },
    double: (tape) => (isWild(tape) ? wild.double(tape) : oneOf(doubles, tape)),
  };
}
