/**
 * What is known of a field of every wanted row: it lies between these, both included, and is one of these. Texts are in the order of their
 * bytes. Nothing given: any value; an empty list: none.
 */
export type Range<Value extends string | number> = {
  readonly min?: Value;
  readonly max?: Value;
  readonly oneOf?: readonly Value[];
};

/** True if a value can be that of a wanted row. */
export function isWithin<Value extends string | number>({ min, max, oneOf }: Range<Value> = {}, value: Value): boolean {
  if (min !== undefined && compare(value, min) < 0) return false;
  if (max !== undefined && compare(value, max) > 0) return false;
  return oneOf === undefined || oneOf.includes(value);
}

/** The values that are in it, if they are listed. */
export const choices = <Value extends string | number>(range: Range<Value> = {}): readonly Value[] | undefined =>
  range.oneOf?.filter((value) => isWithin(range, value));

/** True if no value is in it. */
export const isEmpty = (range: Range<string> | Range<number>): boolean =>
  choices(range as Range<string>)?.length === 0 ||
  (range.min !== undefined && range.max !== undefined && compare(range.min, range.max) > 0);

/** What lies in both. */
export function intersection<Value extends string | number>(a: Range<Value>, b: Range<Value>): Range<Value> {
  const mins = [a.min, b.min].filter((each) => each !== undefined).toSorted(compare);
  const maxs = [a.max, b.max].filter((each) => each !== undefined).toSorted(compare);
  const lists = [a.oneOf, b.oneOf].filter((each) => each !== undefined);
  const min = mins.at(-1);
  const max = maxs.at(0);
  return {
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(lists[0] === undefined ? {} : { oneOf: lists[0].filter((value) => lists.every((list) => list.includes(value))) }),
  };
}

/** Numbers by value, texts by their characters, which is also the order of their bytes. JavaScript compares units of UTF-16. */
export function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" || typeof b === "number") return Number(a) - Number(b);
  for (let index = 0; ; ) {
    const [x, y] = [a.codePointAt(index), b.codePointAt(index)];
    if (x === undefined || y === undefined) return (x ?? -1) - (y ?? -1);
    if (x !== y) return x - y;
    index += x > 0xffff ? 2 : 1;
  }
}
