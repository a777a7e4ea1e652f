/**
 * A coordinator that will not have this participant, and will not in a moment either: only somebody who changes something helps. What
 * a transport throws then; any other error is gone by itself.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** What to do about it, for the operator. */
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.remedy = remedy;
  }
}
