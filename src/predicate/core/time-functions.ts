import { type CelFunc, CelScalar, celMethod, objectType } from "@bufbuild/cel";
import { TimestampSchema, timestampMs } from "@bufbuild/protobuf/wkt";

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
    return BigInt(get(new Date(timestampMs(this.message))));
  }),
  celMethod(name, TIMESTAMP, [CelScalar.STRING], CelScalar.INT, function (zone) {
    const atMs = timestampMs(this.message);
    return BigInt(get(new Date(atMs + offsetMs(zone, atMs))));
  }),
]);

/** How far the clocks of a zone were ahead of UTC. A zone is "+02:00" or a name such as "Europe/Berlin". */
function offsetMs(zone: string, atMs: number): number {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (fixed !== null) return toMs(fixed);
  const parts = zoneFormat(zone).formatToParts(atMs);
  const offset = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(parts.find((part) => part.type === "timeZoneName")?.value ?? "");
  return offset === null ? 0 : toMs(offset);
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
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  if (zoneFormats.size === zoneFormatCountMax) zoneFormats.clear();
  zoneFormats.set(zone, format);
  return format;
}
