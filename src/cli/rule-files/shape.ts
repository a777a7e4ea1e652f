import { z } from "zod";
import { workflowEventTypes, workflowStates } from "../../kernel/lifecycle.ts";
import { moveWords, parseMove } from "./move.ts";

/** What a rule file may say. Names and bounds are the contract's, which is asked afterwards. */

/** Whatever its keys are called, which a record of zod would not keep. What JSON has not is refused with the contract. */
const jsonObject = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "must be a map",
);
const state = z.enum(workflowStates);

const move = z.string().transform((text, context) => {
  const parsed = parseMove(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: `must be ${moveWords}` });
  return z.NEVER;
});

const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d)$/;

const time = z.string().transform((text, context) => {
  const date = new Date(text);
  if (timePattern.test(text) && !Number.isNaN(date.getTime())) return date;
  context.addIssue({ code: "custom", message: "must be a time such as 2026-01-31T09:30:00Z" });
  return z.NEVER;
});

const rule = z.strictObject({
  id: z.string(),
  description: z.string().exactOptional(),
  operations: z.array(z.enum(["transition", "update"])).exactOptional(),
  moves: z.array(move).exactOptional(),
  types: z.array(z.string()).exactOptional(),
  condition: z.string().exactOptional(),
  expression: z.string(),
  message: z.string().exactOptional(),
  priority: z.int().exactOptional(),
  action: z.enum(["deny", "warn", "audit"]).exactOptional(),
  state: z.enum(["active", "shadow", "draft"]).exactOptional(),
});

const fact = z.strictObject({ name: z.string(), description: z.string().exactOptional(), expression: z.string() });

const workflowType = z.strictObject({
  name: z.string(),
  description: z.string().exactOptional(),
  schema: jsonObject.exactOptional(),
});

/** As rules see it, and so are the others. */
const workflow = z.strictObject({
  id: z.string().exactOptional(),
  type: z.string().exactOptional(),
  state,
  previous_state: state.exactOptional(),
  version: z.int().exactOptional(),
  retry_count: z.int().exactOptional(),
  created_at: time.exactOptional(),
  created_by: z.string().exactOptional(),
  updated_at: time.exactOptional(),
  updated_by: z.string().exactOptional(),
  state_entered_at: time.exactOptional(),
  recoverable_at: time.exactOptional(),
  metadata: jsonObject.exactOptional(),
});

const request = z.strictObject({
  reason: z.string().exactOptional(),
  requested_by: z.string().exactOptional(),
  authenticated_as: z.string().exactOptional(),
  context: jsonObject.exactOptional(),
  transaction: z
    .strictObject({ id: z.string().exactOptional(), participants: z.array(z.string()).exactOptional() })
    .exactOptional(),
});

const lastEvent = z.strictObject({
  type: z.enum(workflowEventTypes).exactOptional(),
  from_state: state.exactOptional(),
  to_state: state.exactOptional(),
  occurred_at: time.exactOptional(),
  requested_by: z.string().exactOptional(),
  authenticated_as: z.string().exactOptional(),
  reason: z.string().exactOptional(),
  metadata: jsonObject.exactOptional(),
});

/** Ids, or each with its message. */
const ruleNames = z.union([z.array(z.string()), z.record(z.string(), z.string())], {
  error: "must be a list of rules, or a map of rules and their messages",
});

const expectation = z.union(
  [
    z.enum(["allowed", "denied", "invalid", "metadata_invalid"]),
    z.strictObject({
      denied_by: ruleNames.exactOptional(),
      warned_by: ruleNames.exactOptional(),
      audited_by: ruleNames.exactOptional(),
    }),
  ],
  { error: "must be allowed, denied, invalid, metadata_invalid, or a map with denied_by, warned_by, audited_by" },
);

/** Of a move: where it ends. Of an update: the metadata as it would be. */
const test = z
  .strictObject({
    name: z.string(),
    workflow,
    to: state.exactOptional(),
    proposed: z.strictObject({ metadata: jsonObject }).exactOptional(),
    request: request.exactOptional(),
    last_event: lastEvent.exactOptional(),
    now: time.exactOptional(),
    expect: expectation,
  })
  .refine(({ to, proposed }) => (to === undefined) !== (proposed === undefined), {
    path: ["to"],
    message: "must not be there beside proposed: an update moves nothing",
  });

/** Lists may be left empty: `tests:`. */
const listOf = <Item extends z.ZodType>(item: Item) => z.array(item).nullish();

export const ruleFileShape = z.strictObject({
  types: listOf(workflowType),
  facts: listOf(fact),
  rules: listOf(rule),
  tests: listOf(test),
});

export type RuleFileShape = z.output<typeof ruleFileShape>;
export type RuleShape = z.output<typeof rule>;
export type FactShape = z.output<typeof fact>;
export type WorkflowTypeShape = z.output<typeof workflowType>;
export type TestShape = z.output<typeof test>;
