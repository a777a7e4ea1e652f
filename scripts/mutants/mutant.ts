/** How a change is told to a reader. Those of the list, and what SQL texts add. */
export const kinds = [
  "dropped await",
  "dropped effect",
  "dropped return",
  "dropped column",
  "swapped order",
  "split write",
  "negated condition",
  "constant condition",
  "dropped condition",
  "changed comparison",
  "changed constant",
  "changed operator",
  "changed method",
  "dropped method",
] as const;
export type Kind = (typeof kinds)[number];

/** One change of one place. The places of `start` and `end` are in the file's text. */
export type Mutant = {
  readonly kind: Kind;
  /** From the root of the repository. */
  readonly file: string;
  readonly line: number;
  /** The innermost function that has a name. */
  readonly within: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** What is told of it: the texts that differ, shortened. */
  readonly before: string;
  readonly after: string;
};

/** What stays the same when the lines around it move: the list of survivors names mutants by it. */
export const nameOf = ({ file, within, kind, before, after }: Mutant): string =>
  `${file} ${within}: ${kind}: ${before} → ${after}`;
