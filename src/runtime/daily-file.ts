import { open } from "node:fs/promises";
import { join } from "node:path";
import type { TimeMs } from "../kernel/time.ts";

export type DailyFile = {
  /** Resolves when the operating system has it. */
  append(text: string): Promise<void>;
  /** Resolves when all that was appended is durable. The next text may go into the next day's file. */
  sync(): Promise<void>;
  close(): Promise<void>;
};

type File = Awaited<ReturnType<typeof open>>;

/** Lines in a file of the day, by the clock in UTC: `workflows-2026-11-27.jsonl`. A line that a crash has cut off is ended, so that it spoils no other. */
export function createDailyFile(folder: string, prefix: string, nowMs: () => TimeMs): DailyFile {
  let current: { readonly path: string; readonly file: File } | undefined;
  let isWithinDay = false;

  async function fileOfDay(): Promise<File> {
    const path = join(folder, `${prefix}-${new Date(nowMs()).toISOString().slice(0, 10)}.jsonl`);
    if (current !== undefined && (isWithinDay || current.path === path)) return current.file;
    await current?.file.close();
    current = undefined;
    const file = await open(path, "a+");
    const { size } = await file.stat();
    if (size === 0) await syncFolder(folder);
    else if (!(await endsLine(file, size))) await file.appendFile("\n");
    current = { path, file };
    return file;
  }

  return {
    async append(text) {
      const file = await fileOfDay();
      isWithinDay = true;
      await file.appendFile(text);
    },
    async sync() {
      await current?.file.sync();
      isWithinDay = false;
    },
    async close() {
      await current?.file.close();
      current = undefined;
    },
  };
}

async function endsLine(file: File, size: number): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === "\n";
}

/** Without it the name of a new file may be lost with the power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync();
  await folder.close();
}
