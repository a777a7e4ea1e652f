/** A defect in Concord: an invariant does not hold. Never caused by input. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stays on in production. `invariant` carries the name that the specs give it, where there is one. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(invariant);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
