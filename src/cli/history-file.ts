import { once } from "node:events";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { CommandError } from "./failure.ts";

/** Lines that are written to a file, or to standard output. */
export type HistoryFile = {
  write(text: string): Promise<void>;
  /** Resolves when all that was written is durable. */
  sync(): Promise<void>;
};

/** As much text is kept until it is written: enough to be compressed well. */
const bufferLengthMax = 1024 * 1024;

const compressed = promisify(gzip);

/**
 * A new file: what is there already is never overwritten. `-` is standard output. With a name that ends in `.gz`, it is compressed. What is
 * written is durable in the end, also if `write` fails; a file into which nothing came is not left behind then, for it would be in the way of the
 * next try.
 */
export async function writeHistoryFile(path: string, write: (file: HistoryFile) => Promise<void>): Promise<void> {
  const put = path === "-" ? undefined : await openNew(path);
  let buffered = "";
  let isEmpty = true;

  async function flush(): Promise<void> {
    const text = buffered;
    buffered = "";
    if (text === "") return;
    isEmpty = false;
    if (put === undefined) await toStandardOutput(text);
    // Each piece is compressed by itself, which gunzip reads as one: so a file that is cut short is good up to there.
    else await put.appendFile(path.endsWith(".gz") ? await compressed(text) : text);
  }

  const file: HistoryFile = {
    async write(text) {
      buffered += text;
      if (buffered.length >= bufferLengthMax) await orNamed(path, flush);
    },
    sync: () =>
      orNamed(path, async () => {
        await flush();
        await put?.sync();
      }),
  };
  let isWhole = false;
  try {
    await write(file);
    isWhole = true;
  } finally {
    try {
      await file.sync();
    } finally {
      await put?.close();
      if (put !== undefined && isEmpty && !isWhole) await unlink(path);
    }
  }
}

const openNew = (path: string): Promise<FileHandle> =>
  orNamed(path, async () => {
    const file = await open(path, "wx");
    await syncFolder(dirname(path));
    return file;
  });

/** What the file system refuses is told with the name of the file, and without a stack. */
async function orNamed<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EEXIST" ? "exists already, and is not overwritten; name a new file" : `cannot be written: ${message}`;
    throw new CommandError(`${path} ${why}`);
  }
}

/** Without it the name of a new file may be lost with the power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync();
  await folder.close();
}

async function toStandardOutput(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}
