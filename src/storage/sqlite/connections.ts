import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { err, ok, type Result } from "../../kernel/result.ts";
import { checkSchema, isNewest } from "./migrate.ts";
import { openFailure } from "./sqlite-error.ts";
import type { OpenFailure, Row, WriteMark } from "./statement.ts";
import { selectOpenTimes } from "./store-age.ts";
import { marksIn } from "./store-marks.ts";
import type { WriterOptions } from "./writer-messages.ts";
import { startWriter, type Writer } from "./writer-thread.ts";

/** A reader waits for nobody in WAL mode, except while a crashed file is recovered. */
const readerBusyTimeoutMs = 1_000;

export type Reader = Pick<DatabaseSync, "isOpen" | "prepare" | "close">;

export type Connections = {
  readonly reader: Reader;
  /** None while the disk is so full that only reading works. */
  readonly writer: Writer | undefined;
  /** As stored. */
  readonly openTimes: readonly Row[];
  /** As stored. Left out: it has none. */
  readonly marks?: readonly WriteMark[];
};

/** The writer first: it makes the file, or brings it to the newest schema. */
export async function openConnections(options: WriterOptions): Promise<Result<Connections, OpenFailure>> {
  const started = await startWriter(options);
  if (!started.ok) {
    // Opening a file that could not be made would leave an empty one.
    return started.error.type === "no-space" && existsSync(options.path) ? openReaderAlone(options, started.error) : started;
  }
  const writer = started.value;
  let reader: DatabaseSync | undefined;
  try {
    reader = new DatabaseSync(options.path, { readOnly: true, timeout: readerBusyTimeoutMs });
    return ok({ reader, writer, openTimes: openTimesIn(reader), marks: marksIn(reader) });
  } catch (error) {
    reader?.close();
    await writer.close();
    return err(openFailure(options.path, error));
  }
}

/**
 * A reader beside a writer needs an index of the write-ahead log in a file, which needs space. In exclusive locking mode, set before the
 * first read, SQLite keeps it in memory; the connection must be allowed to write for that, and does not.
 */
function openReaderAlone(options: WriterOptions, noSpace: OpenFailure): Result<Connections, OpenFailure> {
  let reader: DatabaseSync | undefined;
  try {
    reader = new DatabaseSync(options.path, { timeout: readerBusyTimeoutMs });
    reader.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = TRUE");
    const failure = checkSchema(reader, options) ?? (isNewest(reader, options.migrations) ? undefined : noSpace);
    if (failure === undefined) {
      return ok({ reader, writer: undefined, openTimes: openTimesIn(reader), marks: marksIn(reader) });
    }
    reader.close();
    return err(failure);
  } catch (error) {
    reader?.close();
    return err(openFailure(options.path, error));
  }
}

export const openTimesIn = (reader: Reader): Row[] => reader.prepare(selectOpenTimes).all() as Row[];
