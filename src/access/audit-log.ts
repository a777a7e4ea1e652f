import type { Clock } from "../kernel/clock.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { type AuditFields, type ChainEnd, goOnAfter, nextLine, type Tail, type Torn } from "./audit-chain.ts";

/** A file that only grows. */
export type GrowingFile = {
  readonly tail: Tail;
  /** Takes it, or says that it is lost: then nothing of it will be in the file. Never throws, and never waits. */
  readonly write: (text: string) => boolean;
  /** Another file is there by now, or none. */
  readonly isMoved: () => boolean;
  readonly close: () => void;
};

export type AuditLog = {
  readonly append: (fields: AuditFields) => void;
  /** The hash of the last line. Whoever keeps it elsewhere can tell later that nothing before it was changed. */
  readonly end: () => ChainEnd;
  readonly close: () => void;
};

/** What there is to be told of the file itself. */
export type AuditReport = {
  readonly torn: (torn: Torn) => void;
  readonly lost: () => void;
  readonly moved: (problem: string | undefined) => void;
};

/**
 * Goes on with the chain of a file, and says in the next line whatever is not as it should be: that the last line was cut off, that lines are
 * missing, that the file before was moved away.
 */
export function openAuditLog(options: {
  readonly open: () => Result<GrowingFile, { readonly message: string }>;
  readonly clock: Pick<Clock, "nowMs">;
  readonly report: AuditReport;
  /** Of the line that begins, such as the version. */
  readonly about: AuditFields;
}): Result<AuditLog, { readonly message: string }> {
  const { open, clock, report, about } = options;
  let file: GrowingFile;
  let end: ChainEnd;
  let lost = 0;
  let couldReopen = true;

  function write(fields: AuditFields, before = ""): void {
    const missing = lost === 0 ? {} : { lost };
    const next = nextLine(end, new Date(clock.nowMs()).toISOString(), { ...fields, ...missing });
    if (file.write(`${before}${next.line}\n`)) {
      end = next.end;
      lost = 0;
    } else {
      lost += 1;
      report.lost();
    }
  }

  /** Into this one from now on. `chain`: of the file before, if this one is new. */
  function begin(opened: GrowingFile, chain: ChainEnd | undefined): boolean {
    const found = goOnAfter(opened.tail);
    if (found === undefined) return false;
    const isEmpty = opened.tail.lines.length === 0 && opened.tail.rest.length === 0;
    file = opened;
    end = isEmpty && chain !== undefined ? chain : found.end;
    if (found.torn !== undefined) report.torn(found.torn);
    write({ event: "opened", ...about, ...(found.torn && { torn: found.torn }) }, found.mustEnd ? "\n" : "");
    return true;
  }

  function reopen(): void {
    const opened = open();
    const before = file;
    const isTaken = opened.ok && begin(opened.value, end);
    // The old one goes on taking lines, wherever it is.
    if (couldReopen || isTaken) report.moved(isTaken ? undefined : opened.ok ? noLog : opened.error.message);
    couldReopen = isTaken;
    if (isTaken) before.close();
    else if (opened.ok) opened.value.close();
  }

  const first = open();
  if (!first.ok) return first;
  if (!begin(first.value, undefined)) {
    first.value.close();
    return err({ message: noLog });
  }
  return ok({
    append(fields) {
      if (file.isMoved()) reopen();
      write(fields);
    },
    end: () => end,
    close() {
      write({ event: "closed" });
      file.close();
    },
  });
}

const noLog = "what is there already is no audit log";
