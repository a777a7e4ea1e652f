import type { Dice } from "../../simulation/random.ts";
import type { Step } from "./recording.ts";

type Change = Extract<Step, { type: "write" | "truncate" }>;
type Naming = Extract<Step, { type: "create" | "rename" | "unlink" }>;

/** How much of what was not synced is there after all. */
export type Luck = "none" | "all" | "some";

/** Files by path. */
export type Image = ReadonlyMap<string, Buffer>;

/** A disk writes one of these whole or not at all. */
const sectorBytes = 512;

/**
 * What is on a disk when the power goes, as POSIX promises it and no better: what was written is there if its file was synced since, a name if
 * its folder was. Of the rest there may be anything: of writes any of their sectors, of names a beginning, since file systems order those.
 */
export function createCrashDisk(folder: string) {
  const files = new Map<string, { synced: Buffer; unsynced: Change[] }>();
  let names = new Map<string, string>();
  let unsyncedNames: Naming[] = [];

  return {
    take(step: Step): void {
      switch (step.type) {
        case "create":
          files.set(step.inode, { synced: Buffer.alloc(0), unsynced: [] });
          unsyncedNames.push(step);
          break;
        case "rename":
        case "unlink":
          unsyncedNames.push(step);
          break;
        case "write":
        case "truncate":
          files.get(step.inode)?.unsynced.push(step);
          break;
        case "sync": {
          if (step.path === folder) {
            names = named(names, unsyncedNames);
            unsyncedNames = [];
          }
          const file = files.get(step.inode);
          if (file === undefined) break;
          file.synced = file.unsynced.reduce(changed, file.synced);
          file.unsynced = [];
        }
      }
    },
    image(luck: Luck, dice: Dice): Image {
      const count = luck === "none" ? 0 : luck === "all" ? unsyncedNames.length : dice.between(0, unsyncedNames.length);
      const now = named(names, unsyncedNames.slice(0, count));
      const kept = new Map<string, Buffer>();
      const contentOf = (inode: string): Buffer => {
        const { synced, unsynced } = files.get(inode) ?? { synced: Buffer.alloc(0), unsynced: [] };
        if (luck === "none") return synced;
        return (luck === "all" ? unsynced : unsynced.flatMap((change) => survivors(change, dice))).reduce(changed, synced);
      };
      for (const [path, inode] of now) kept.set(path, contentOf(inode));
      return kept;
    },
  };
}

function named(names: ReadonlyMap<string, string>, namings: readonly Naming[]): Map<string, string> {
  const now = new Map(names);
  for (const each of namings) {
    const inode = each.type === "create" ? each.inode : now.get(each.path);
    if (each.type !== "create") now.delete(each.path);
    if (each.type !== "unlink" && inode !== undefined) now.set(each.type === "create" ? each.path : each.to, inode);
  }
  return now;
}

function changed(content: Buffer, change: Change): Buffer {
  if (change.type === "truncate")
    return Buffer.concat([content, Buffer.alloc(Math.max(0, change.size - content.length))]).subarray(0, change.size);
  const { offset, bytes } = change;
  const now = Buffer.alloc(Math.max(content.length, offset + bytes.length));
  content.copy(now);
  bytes.copy(now, offset);
  return now;
}

/** None of it, all of it, or some of its sectors. */
function survivors(change: Change, dice: Dice): Change[] {
  if (dice.chance(0.3)) return [];
  if (change.type === "truncate" || dice.chance(0.3)) return [change];
  const sectors: Change[] = [];
  const { offset, bytes } = change;
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + sectorBytes - ((offset + at) % sectorBytes));
    if (dice.chance(0.5)) sectors.push({ ...change, offset: offset + at, bytes: bytes.subarray(at, end) });
    at = end;
  }
  return sectors;
}
