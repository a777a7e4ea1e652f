/** The service of calls that exist only for measuring, behind the middleware of all others. */
export const benchService = "concord.bench.v1.Bench";

/** The same empty call on grpc-js as it is, on a port of its own. */
export const bareMethod = "concord.bench.v1.Bare/Echo";

/** The workflows of a store under measurement. More than twice as many as are under way at most. */
export const poolSize = 10_000;

/** Moves of one batch, and checks. */
export const batchSize = 100;

export function workflowName(index: number): string {
  return `bench-${index}`;
}

/** Of a transaction. The first n of the participants take part. */
export const participantCounts = [1, 2, 5, 10];

/** Of an atomic transition, besides the workflow manager. */
export const enlistedCount = 2;

export function participantName(index: number): string {
  return `bench-${index}`;
}
