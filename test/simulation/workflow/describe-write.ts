import type { ManagerWrite } from "./workflow-disk.ts";

/** As the transcript has it. */
export function describeWrite(written: ManagerWrite): string {
  if (written.type === "purge")
    return `purges ${written.workflows.join(" ") || "nothing"}${written.byPolicy ? " by its policy" : ""}`;
  if (written.type === "policy") return `has the policy ${JSON.stringify(written.terms) ?? "none"}`;
  if (written.type === "forgotten") return `forgets answers, and keeps ${written.left.size}`;
  if (written.type === "conflict") return `meets a conflict: ${written.conflict.type}`;
  const { puts, outcome, coordinator, answers = [] } = written.batch;
  const states = puts.map(
    ({ workflow: { id, state, version, hold } }) =>
      `${id} ${state} ${version}${hold ? ` held by ${hold.transactionId} for ${hold.move.targetState}` : ""}`,
  );
  const rest = [
    ...(outcome ? [`${outcome.transactionId} ${outcome.outcome}`] : []),
    ...(coordinator ? [`epoch ${coordinator.coordinatorEpoch}`] : []),
    ...answers.map(({ id }) => `answers ${JSON.stringify(id).slice(1, -1)}`),
  ];
  return `writes ${[...states, ...rest].join("; ")}`;
}
