/** What is read of a list in one go. */
export type Stretch<Row, Place> = {
  readonly rows: readonly Row[];
  /** Every wanted row up to here is among these; the list may go on behind it. Undefined: this was the rest. */
  readonly upTo: Place | undefined;
  /** How many rows were looked at, at most: those that were passed over count too. */
  readonly looked: number;
};

/** Of what was asked for with a limit, and has looked at nothing else. */
export function stretchOf<Row, Place>(rows: readonly Row[], limit: number, placeOf: (row: Row) => Place): Stretch<Row, Place> {
  const last = rows.at(-1);
  return { rows, upTo: rows.length === limit && last !== undefined ? placeOf(last) : undefined, looked: rows.length };
}
