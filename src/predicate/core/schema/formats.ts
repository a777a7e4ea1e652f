// No pattern here reads a part of the text more than a few times: each takes time linear in it.

/** RFC 3339, section 5.6. */
function isDateTime(text: string): boolean {
  return /^[tT]$/.test(text.charAt(10)) && isDate(text.slice(0, 10)) && isTime(text.slice(11));
}

function isDate(text: string): boolean {
  const [, year = 0, month = 0, day = 0] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text)?.map(Number) ?? [];
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return days !== undefined && day >= 1 && day <= days;
}

function isTime(text: string): boolean {
  const match = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[zZ]|([+-])(\d\d):(\d\d))$/.exec(text);
  if (match === null) return false;
  const [, hour = 0, minute = 0, second = 0, , offsetHour = 0, offsetMinute = 0] = match.map((part) => Number(part ?? 0));
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return false;
  // A second is added at midnight in UTC only.
  const offset = (offsetHour * 60 + offsetMinute) * (match[4] === "-" ? -1 : 1);
  return second < 60 || (hour * 60 + minute - offset + 2 * 1440) % 1440 === 1439;
}

const dateUnits = "(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)";
const timeUnits = "T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)";
const duration = new RegExp(`^P(?:\\d+W|${dateUnits}(?:${timeUnits})?|${timeUnits})$`);

/** RFC 3339, appendix A: units follow each other without a gap. */
const isDuration = (text: string): boolean => duration.test(text);

/** RFC 5321, section 4.1.2; no IPv6 addresses. */
function isEmail(text: string): boolean {
  const at = text.lastIndexOf("@");
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  const isLocal = local.startsWith('"')
    ? /^"(?:[ !#-[\]-~]|\\[ -~])*"$/.test(local)
    : local.split(".").every((atom) => /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+$/.test(atom));
  return at > 0 && at <= 64 && isLocal && (isHostname(domain) || isBracketed(domain));
}

const isHostname = (text: string): boolean =>
  text.length <= 253 &&
  text.split(".").every((label) => label.length <= 63 && /^[A-Za-z0-9](?:[A-Za-z0-9-]*)$/.test(label) && !label.endsWith("-"));

function isBracketed(text: string): boolean {
  const parts = /^\[(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\]$/.exec(text);
  return parts?.slice(1).every((part) => Number(part) <= 255) ?? false;
}

/** RFC 4122. */
const isUuid = (text: string): boolean => /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text);

const authority =
  /^(?:(?:[\w.~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\d*)?$/;
const uriText = /^(?:[\w.~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*$/;

/** RFC 3986, with a scheme. */
function isUri(text: string): boolean {
  const parts = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/([^/?#]*))?([^#]*)(?:#(.*))?$/s.exec(text);
  if (parts === null) return false;
  const [, host = "", path = "", fragment = ""] = parts;
  return authority.test(host) && uriText.test(path) && uriText.test(fragment);
}

/** Whether a text has the format of this name. */
export const formats: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["date-time", isDateTime],
  ["date", isDate],
  ["time", isTime],
  ["duration", isDuration],
  ["email", isEmail],
  ["uuid", isUuid],
  ["uri", isUri],
]);
