import { type CelFunc, CelScalar, celEnv, celMethod, objectType } from "@bufbuild/cel";
import { create, fromJson } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { type Duration, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

const TIMESTAMP = objectType(TimestampSchema);
const dayMs = 86_400_000;

const getters: Readonly<Record<string, (date: Date) => number>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDate: (date) => date.getUTCDate(),
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDayOfWeek: (date) => date.getUTCDay(),
  getDayOfYear: (date) => Math.floor((date.getTime() - new Date(date).setUTCMonth(0, 1)) / dayMs),
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
};

/**
 * The calendar methods of timestamps. The library's own go through the machine's time zone and are wrong in the hours that its
 * daylight saving time skips; the same question must have the same answer on every machine.
 */
export const timeFunctions: readonly CelFunc[] = Object.entries(getters).flatMap(([name, get]) => [
  celMethod(name, TIMESTAMP, [], CelScalar.INT, function () {
    return BigInt(get(new Date(millisecondsOf(this.message))));
  }),
  celMethod(name, TIMESTAMP, [CelScalar.STRING], CelScalar.INT, function (zone) {
    const atMs = millisecondsOf(this.message);
    return BigInt(get(new Date(atMs + offsetMs(zone, atMs))));
  }),
]);

/** The millisecond that it is in. The library's goes to the next one, and so into the next day at the end of a day. */
const millisecondsOf = ({ seconds, nanos }: Timestamp): number => Number(seconds) * 1000 + Math.floor(nanos / 1e6);

/** How far the clocks of a zone were ahead of UTC. A zone is "+02:00" or a name such as "Europe/Berlin". */
function offsetMs(zone: string, atMs: number): number {
  if (/^[+-\d]/.test(zone)) return fixedOffsetMs(zone);
  const parts = zoneFormat(zone).formatToParts(atMs);
  const offset = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(parts.find((part) => part.type === "timeZoneName")?.value ?? "");
  return offset === null ? 0 : toMs(offset);
}

const noZone = (zone: string): Error => new Error(noZoneText(zone));

/** In a rule, and in data. */
export const noZoneText = (zone: string): string => `${JSON.stringify(zone)} is no time zone such as "+02:00" or "Europe/Berlin"`;

function fixedOffsetMs(zone: string): number {
  const offset = /^([+-]?)((?:[01]\d|2[0-3])):([0-5]\d)$/.exec(zone);
  if (offset === null) throw noZone(zone);
  return toMs(offset);
}

function toMs([, sign, hours, minutes, seconds]: RegExpExecArray): number {
  return (sign === "-" ? -1 : 1) * ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds ?? 0)) * 1000;
}

/** A format takes long to make. A rule set names few zones; whatever names more starts anew. */
const zoneFormats = new Map<string, Intl.DateTimeFormat>();
const zoneFormatCountMax = 100;

function zoneFormat(zone: string): Intl.DateTimeFormat {
  const known = zoneFormats.get(zone);
  if (known !== undefined) return known;
  const format = formatOfZone(zone);
  if (zoneFormats.size === zoneFormatCountMax) zoneFormats.clear();
  zoneFormats.set(zone, format);
  return format;
}

function formatOfZone(zone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  } catch {
    throw noZone(zone);
  }
}

const time = /^\d{4}-\d\d-(\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339. JavaScript would take 30 February for 2 March, and hour 24 for the next day. */
export function timestampOf(text: string): Timestamp {
  const [, day] = time.exec(text) ?? [];
  // Of what cannot be read there is no day, and none is equal to that.
  if (new Date(`${text.slice(0, 10)}T00:00:00Z`).getUTCDate() !== Number(day)) {
    throw new Error(`${JSON.stringify(text)} is no timestamp such as "2026-01-31T09:30:00Z"`);
  }
  return fromJson(TimestampSchema, text);
}

/** From the year 1 to the year 9999, as a Timestamp has it. */
const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;

export function timestampAt(seconds: bigint): Timestamp {
  if (seconds < secondsMin || seconds > secondsMax)
    throw new Error("the timestamp is out of range: it counts seconds since 1970");
  return create(TimestampSchema, { seconds });
}

const libraryDuration = celEnv().funcs.find("duration");

/** The library takes a text without any number for no time. */
export function durationOf(text: string): Duration {
  const duration = /\d/.test(text) ? libraryDuration?.call(0, undefined, [text]) : undefined;
  if (!isReflectMessage(duration)) throw new Error(`${JSON.stringify(text)} is no duration such as "1h30m"`);
  return duration.message as Duration;
}
