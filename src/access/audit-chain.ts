import { sha256Of } from "./sha256.ts";

// An audit log is a file of lines, each of them JSON, that only grows. Each line has the SHA-256 of the line before it, as it stands in the file, so
// what is changed, taken out or put in afterwards does not fit, unless all that follows is made anew: for that, keep the hash of some last line elsewhere.

/** What is told, in this order, before `previous`, which is last. */
export type AuditFields = Readonly<Record<string, unknown>>;

/** Where a chain is. */
export type ChainEnd = { readonly sequence: number; readonly hash: string };

/** Before the first line of a chain. */
export const chainStart: ChainEnd = { sequence: 0, hash: "0".repeat(64) };

/** Longer, a line is none of ours. */
export const auditLineBytesMax = 64 * 1024;

/** Of a line that was cut off: it stays in the file as it is, and the next line says so. */
export type Torn = { readonly bytes: number; readonly sha256: string };

export const tornOf = (line: Uint8Array): Torn => ({ bytes: line.length, sha256: sha256Of(line) });

/** The next line of the chain, without its end, and where the chain is with it. */
export function nextLine(before: ChainEnd, at: string, fields: AuditFields): { readonly line: string; readonly end: ChainEnd } {
  const sequence = before.sequence + 1;
  const line = JSON.stringify({ sequence, at, ...fields, previous: before.hash });
  return { line, end: { sequence, hash: sha256Of(line) } };
}

/** What of a line the chain is made of. Undefined: it is no line of an audit log. */
export type Read = {
  readonly sequence: number;
  readonly at: string;
  readonly event: string;
  readonly previous: string;
  readonly torn: Torn | undefined;
  readonly lost: number;
};

export function readLine(line: Uint8Array): Read | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { sequence, at, event, previous, torn, lost } = parsed as Readonly<Record<string, unknown>>;
  if (typeof sequence !== "number" || typeof at !== "string" || typeof event !== "string" || typeof previous !== "string")
    return undefined;
  return { sequence, at, event, previous, torn: torn as Torn | undefined, lost: typeof lost === "number" ? lost : 0 };
}

/** What a file ends with: its last two whole lines, and what stands behind them without an end. */
export type Tail = { readonly lines: readonly Uint8Array[]; readonly rest: Uint8Array };

/** How a log goes on behind a tail. `torn`: its last line was cut off, so the next one has to say so; `mustEnd`: and has to end it first. */
export type GoesOn = { readonly end: ChainEnd; readonly torn: Torn | undefined; readonly mustEnd: boolean };

/** Undefined: what ends so is no audit log. */
export function goOnAfter({ lines: [first, second], rest }: Tail): GoesOn | undefined {
  const mustEnd = rest.length > 0;
  const last = second ?? first;
  const end = last === undefined ? chainStart : endAfter(last);
  if (end !== undefined) {
    // Cut off just before its end, a line is as good as any.
    const isLine = mustEnd && readLine(rest)?.previous === end.hash;
    const afterRest = isLine ? endAfter(rest) : undefined;
    return { end: afterRest ?? end, torn: mustEnd && afterRest === undefined ? tornOf(rest) : undefined, mustEnd };
  }
  // It was cut off, and ended by a start that came no further.
  const before = second === undefined ? undefined : first && endAfter(first);
  return before === undefined || last === undefined || mustEnd ? undefined : { end: before, torn: tornOf(last), mustEnd };
}

/** Where the chain is after this line. Undefined: it is no line of an audit log. */
function endAfter(line: Uint8Array): ChainEnd | undefined {
  const read = readLine(line);
  return read && { sequence: read.sequence, hash: sha256Of(line) };
}

/** A line and where it stands. The last one of a file may have no end. */
export type PlacedLine = {
  readonly file: string;
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly isWhole: boolean;
};

type Place = Pick<PlacedLine, "file" | "number">;

export type Verified = {
  readonly lines: number;
  readonly first: { readonly sequence: number; readonly at: string } | undefined;
  readonly last: ({ readonly at: string } & ChainEnd) | undefined;
  /** The line before the first, which was not looked at: its hash was known from elsewhere. */
  readonly continues: string | undefined;
  /** Lines that were cut off and told by the next one. */
  readonly torn: number;
  /** Lines that the log itself says are missing: the file could not be written. */
  readonly lost: number;
  /** The last line has no end: it is being written, or was cut off. */
  readonly unfinished: boolean;
};

export type Broken = Place & { readonly why: string };

/**
 * Follows a chain from its first line on, line by line. What does not fit ends it. `seen`: told of the hash of each line. `continues`: the hash
 * of the line before the first that comes, if it is known from elsewhere: only then may the beginning be missing.
 */
export function createVerifier(seen: (hash: string) => void, continues: string = chainStart.hash) {
  const isStart = continues === chainStart.hash;
  let end: ChainEnd | undefined;
  let before: Place | undefined;
  /** It does not fit, unless the next line says that it was cut off. */
  let suspect: (Broken & { readonly torn: Torn }) | undefined;
  let unfinished = false;
  let first: Verified["first"];
  let lastAt = "";
  const counts = { lines: 0, torn: 0, lost: 0 };

  function whyNot(line: PlacedLine, read: Read | undefined): string | undefined {
    if (read === undefined) return "it is no line of an audit log";
    if (end === undefined || before === undefined) return whyNotFirst(read);
    if (read.previous !== end.hash)
      return `it does not follow from ${placeText(before, line.file)}: one of the two was changed, or lines were taken out or put in between`;
    return whyNotSequence(read, end.sequence + 1);
  }

  function whyNotFirst(read: Read): string | undefined {
    if (read.previous === continues) return isStart ? whyNotSequence(read, 1) : undefined;
    if (!isStart) return `it does not follow from the line with the hash ${continues}`;
    return read.sequence <= 1 ? `it begins no log, and its sequence is ${read.sequence}` : missingBefore(read.sequence);
  }

  return {
    /** Returns what is wrong, once it is sure. */
    next(line: PlacedLine): Broken | undefined {
      const { file, number, bytes, isWhole } = line;
      const read = isWhole ? readLine(bytes) : undefined;
      if (suspect !== undefined) {
        const { torn, ...broken } = suspect;
        const told = read?.torn;
        if (told?.bytes !== torn.bytes || told.sha256 !== torn.sha256) return broken;
        counts.torn += 1;
        suspect = undefined;
      }
      if (!isWhole) {
        unfinished = true;
        return undefined;
      }
      const why = whyNot(line, read);
      if (why !== undefined || read === undefined) {
        suspect = { file, number, why: why ?? "", torn: tornOf(bytes) };
        return undefined;
      }
      first ??= { sequence: read.sequence, at: read.at };
      end = { sequence: read.sequence, hash: sha256Of(bytes) };
      seen(end.hash);
      before = { file, number };
      lastAt = read.at;
      counts.lines += 1;
      counts.lost += read.lost;
      return undefined;
    },

    /** After the last line. */
    finish(): { readonly broken: Broken } | { readonly verified: Verified } {
      if (suspect !== undefined) {
        const { torn: _, ...broken } = suspect;
        return { broken };
      }
      const last = end && { at: lastAt, ...end };
      return { verified: { ...counts, first, last, continues: isStart ? undefined : continues, unfinished } };
    },
  };
}

const whyNotSequence = ({ sequence }: Read, expected: number): string | undefined =>
  sequence === expected ? undefined : `its sequence is ${sequence}, and not ${expected}`;

function missingBefore(sequence: number): string {
  const missing = sequence === 2 ? "line 1 is" : `lines 1 to ${sequence - 1} are`;
  return `${missing} not here: give the files with them before this one, or as --continues the hash of the last of them, if it is known from elsewhere`;
}

const placeText = ({ file, number }: Place, from: string): string =>
  file === from ? `line ${number}` : `line ${number} of ${file}`;
