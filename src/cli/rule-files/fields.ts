import type { YamlPath } from "./yaml-file.ts";

/** What the contract calls otherwise than a rule file does, and where it has it. */
const renamed: readonly (readonly [RegExp, string])[] = [
  [/^rule_id/, "id"],
  [/^workflow_types/, "types"],
  [/^metadata_schema/, "schema"],
  [/^(moves\[\d+\]).*/, "$1"],
  [/^check\.proposed_metadata/, "proposed.metadata"],
  [/^check\.workflow\.workflow_id/, "workflow.id"],
  [/^check\.(workflow|last_event)/, "$1"],
  [/^check\.target_state/, "to"],
  [/^check\.at$/, "now"],
  [/^check\.transaction\.transaction_id/, "request.transaction.id"],
  [/^check\.transaction\.participant_ids/, "request.transaction.participants"],
  [/^check\./, "request."],
  [/^expect\..*/, "expect"],
];

/** Where in an item of a rule file a field of its message stands. */
export function pathOfField(field: string): YamlPath {
  const [pattern, name] = renamed.find(([each]) => each.test(field)) ?? [/^$/, ""];
  const steps = field.replace(pattern, name).matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g);
  return [...steps].map(([, index, key, step]) => (index === undefined ? (key ?? step ?? "") : Number(index)));
}
