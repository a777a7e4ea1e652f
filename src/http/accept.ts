export const jsonType = "application/json";
export const eventsType = "text/event-stream";

/** Whether an `Accept` header names the type itself. */
export const names = (accept: string | undefined, type: string): boolean => rangesOf(accept).includes(type);

/** Whether it takes the type, by whatever name. Nothing takes all. */
export function takes(accept: string | undefined, type: string): boolean {
  const ranges = rangesOf(accept);
  const family = `${type.slice(0, type.indexOf("/"))}/*`;
  return ranges.length === 0 || ranges.some((range) => range === type || range === family || range === "*/*");
}

/** What is given a weight of 0 is not wanted. */
function rangesOf(accept = ""): readonly string[] {
  return accept
    .toLowerCase()
    .split(",")
    .map((range) => range.split(";").map((part) => part.trim()))
    .filter(([range, ...parameters]) => range !== "" && !parameters.some((one) => /^q=0(\.0*)?$/.test(one)))
    .map(([range = ""]) => range);
}
