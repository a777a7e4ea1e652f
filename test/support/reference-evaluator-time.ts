import { duration, failure, int, type Outcome, timestamp } from "./reference-evaluator-values.ts";

const secondNs = 1_000_000_000n;
const dayNs = 86_400n * secondNs;

const floorDivide = (a: bigint, b: bigint): bigint => (a - (((a % b) + b) % b)) / b;

const isLeap = (year: bigint): boolean => year % 4n === 0n && (year % 100n !== 0n || year % 400n === 0n);
const daysOfMonth = (year: bigint): readonly bigint[] => [
  31n,
  isLeap(year) ? 29n : 28n,
  31n,
  30n,
  31n,
  30n,
  31n,
  31n,
  30n,
  31n,
  30n,
  31n,
];

/** From 1 January of the year 1. */
const daysBefore = (year: bigint): bigint => {
  const past = year - 1n;
  return past * 365n + past / 4n - past / 100n + past / 400n;
};

const daysBefore1970 = daysBefore(1970n);

/** Of the proleptic Gregorian calendar, in UTC. Months and days count from 0. */
function dateOf(ns: bigint) {
  const days = floorDivide(ns, dayNs) + daysBefore1970;
  let year = days / 366n + 1n;
  while (daysBefore(year + 1n) <= days) year += 1n;
  const dayOfYear = days - daysBefore(year);
  let [month, day] = [0, dayOfYear];
  for (const length of daysOfMonth(year)) {
    if (day < length) break;
    day -= length;
    month += 1;
  }
  // 1 January of the year 1 was a Monday.
  return { year, month: BigInt(month), day, dayOfYear, weekday: (days + 1n) % 7n, ns: ns - floorDivide(ns, dayNs) * dayNs };
}

const ofDate: Readonly<Record<string, (date: ReturnType<typeof dateOf>) => bigint>> = {
  getFullYear: ({ year }) => year,
  getMonth: ({ month }) => month,
  getDate: ({ day }) => day + 1n,
  getDayOfMonth: ({ day }) => day,
  getDayOfWeek: ({ weekday }) => weekday,
  getDayOfYear: ({ dayOfYear }) => dayOfYear,
  getHours: ({ ns }) => ns / (3600n * secondNs),
  getMinutes: ({ ns }) => (ns / (60n * secondNs)) % 60n,
  getSeconds: ({ ns }) => (ns / secondNs) % 60n,
  getMilliseconds: ({ ns }) => (ns / 1_000_000n) % 1000n,
};

/** A duration is all of it in hours, in minutes, in seconds; its milliseconds are those of its last second. */
const ofDuration: Readonly<Record<string, (ns: bigint) => bigint>> = {
  getHours: (ns) => ns / (3600n * secondNs),
  getMinutes: (ns) => ns / (60n * secondNs),
  getSeconds: (ns) => ns / secondNs,
  getMilliseconds: (ns) => (ns / 1_000_000n) % 1000n,
};

export function partOf(type: "timestamp" | "duration", ns: bigint, name: string): Outcome | undefined {
  if (type === "duration") return ofDuration[name] && int(ofDuration[name](ns));
  return ofDate[name] && int(ofDate[name](dateOf(ns)));
}

const written = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** RFC 3339. */
export function readTimestamp(text: string): Outcome {
  const [whole, year, month, day, hour, minute, second, part = "", sign, zoneHour, zoneMinute] = written.exec(text) ?? [];
  const number = (digits: string | undefined): bigint => BigInt(digits ?? "0");
  const daysOf = daysOfMonth(number(year));
  const length = daysOf[Number(month) - 1];
  if (whole === undefined || number(year) < 1n || length === undefined) return failure("no timestamp");
  if (number(day) < 1n || number(day) > length) return failure("no day");
  if (number(hour) > 23n || number(minute) > 59n || number(second) > 59n) return failure("no time of day");
  if (number(zoneHour) > 23n || number(zoneMinute) > 59n) return failure("no zone");
  const before = daysOf.slice(0, Number(month) - 1).reduce((sum, each) => sum + each, 0n);
  const days = daysBefore(number(year)) - daysBefore1970 + before + number(day) - 1n;
  const local = days * 86_400n + number(hour) * 3600n + number(minute) * 60n + number(second);
  const ahead = (number(zoneHour) * 3600n + number(zoneMinute) * 60n) * (sign === "-" ? -1n : 1n);
  return timestamp((local - ahead) * secondNs + BigInt(part.padEnd(9, "0")));
}

const units: Readonly<Record<string, bigint>> = {
  h: 3600n * secondNs,
  m: 60n * secondNs,
  s: secondNs,
  ms: 1_000_000n,
  us: 1000n,
  ns: 1n,
};

/** A sign, then numbers with units: `1h30m`, `-1.5s`. `0` needs no unit. */
export function readDuration(text: string): Outcome {
  const [, sign = "", parts = ""] = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|us|ns|s))+|0)$/.exec(text) ?? [];
  if (parts === "") return failure("no duration");
  let sum = 0n;
  for (const [, whole = "", part = "", unit = ""] of parts.matchAll(/(\d*)\.?(\d*)(h|ms|m|us|ns|s)/g)) {
    const scale = units[unit] ?? 0n;
    sum += BigInt(whole || "0") * scale + (part === "" ? 0n : (BigInt(part) * scale) / 10n ** BigInt(part.length));
  }
  return duration(sign === "-" ? -sum : sum);
}

/** As JSON has them: with no digits of a second, or three, six or nine. */
export function writeTimestamp(ns: bigint): string {
  const { year, month, day, ns: time } = dateOf(ns);
  const two = (value: bigint): string => String(value).padStart(2, "0");
  const clock = [time / (3600n * secondNs), (time / (60n * secondNs)) % 60n, (time / secondNs) % 60n].map(two).join(":");
  return `${String(year).padStart(4, "0")}-${two(month + 1n)}-${two(day + 1n)}T${clock}${fractionOf(time % secondNs)}Z`;
}

export function fractionOf(ns: bigint): string {
  if (ns === 0n) return "";
  const digits = String(ns).padStart(9, "0");
  return `.${digits.replace(/(?:000){1,2}$/, "")}`;
}
