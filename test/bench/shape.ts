/** The service of calls that exist only for measuring. */
export const benchService = "concord.bench.v1.Bench";

/** More than the largest concurrency, so that no two calls under way want the same workflow. */
export const poolSize = 2048;

/** Moves of one batch. The pool has twenty of them, more than are under way at once. */
export const batchSize = 100;

export function workflowName(index: number): string {
  return `bench-${index}`;
}

/** Of a transaction. The first n of the participants take part. */
export const participantCounts = [1, 2, 5, 10];

export function participantName(index: number): string {
  return `bench-${index}`;
}
