/**
 * There is no session, and will not be in a moment either: only somebody who changes something helps. What a transport throws if the
 * coordinator will not have this participant; any other error is gone by itself.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** What to do about it, for the operator. */
  readonly remedy: string;
  /** Who will not have whom. */
  readonly headline: string;

  constructor(
    message: string,
    remedy: string,
    { headline = "the coordinator refuses this participant", ...options }: ErrorOptions & { readonly headline?: string } = {},
  ) {
    super(message, options);
    this.remedy = remedy;
    this.headline = headline;
  }
}
