/** The participant has done something else. */
export class Broken extends Error {
  override readonly name = "Broken";
  readonly seen: string;
  readonly right: string;

  constructor(seen: string, right: string) {
    super(`${seen}, not ${right}`);
    this.seen = seen;
    this.right = right;
  }
}

/** There is no participant to be tried any more. */
export class Away extends Broken {}

/** Nobody knows whether the rule is kept. */
export class NotTried extends Error {
  override readonly name = "NotTried";
}
