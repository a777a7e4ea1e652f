/** A defect in Concord: an invariant does not hold. Never caused by input. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";

  constructor(invariant: string) {
    super(invariant);
    for (const tell of listeners) tell(this);
  }
}

const listeners = new Set<(violation: AssertionError) => void>();

/**
 * Told of each violation in this process, whoever catches it: a defect that somebody survives is one all the same. Beside the rule that
 * nothing is global, for a core that asserts has nobody to tell. Returns how to stop.
 */
export function onViolation(listener: (violation: AssertionError) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Stays on in production. `invariant` carries the name that the specs give it, where there is one, before a colon if more is said. What is
 * asserted before a write refuses it.
 */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(invariant);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
