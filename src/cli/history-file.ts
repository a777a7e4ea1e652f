import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { CommandError } from "./failure.ts";

/** Lines that are written to a file, or to standard output. */
export type HistoryFile = {
  write(text: string): Promise<void>;
  /** Resolves when all that was written is durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
};

/** As much text is kept until it is written: enough to be compressed well. */
const bufferLengthMax = 1024 * 1024;

const compressed = promisify(gzip);

/** A new file: what is there already is never overwritten. `-` is standard output. With a name that ends in `.gz`, it is compressed. */
export async function openHistoryFile(path: string): Promise<HistoryFile> {
  const put = path === "-" ? undefined : await openNew(path);
  let buffered = "";

  async function flush(): Promise<void> {
    const text = buffered;
    buffered = "";
    if (text === "") return;
    if (put === undefined) await toStandardOutput(text);
    // Each piece is compressed by itself, which gunzip reads as one: so a file that is cut short is good up to there.
    else await put.appendFile(path.endsWith(".gz") ? await compressed(text) : text);
  }

  return {
    async write(text) {
      buffered += text;
      if (buffered.length >= bufferLengthMax) await flush();
    },
    async sync() {
      await flush();
      await put?.sync();
    },
    async close() {
      await flush();
      await put?.sync();
      await put?.close();
    },
  };
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, "wx");
    await syncFolder(dirname(path));
    return file;
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
