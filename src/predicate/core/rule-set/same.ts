/** Whether a stored version says what this source says. */
export function saysSame<Source extends object>(source: Source, stored: Partial<Source>): boolean {
  return Object.entries(source).every(([key, value]) => same(value, stored[key as keyof Source]));
}

/** Of JSON, where a field that is undefined may be missing, and the order of fields is nothing. */
function same(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (!isObject(left) || !isObject(right) || Array.isArray(left) !== Array.isArray(right)) return false;
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].every((key) => same(left[key], right[key]));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;
