import { execFileSync } from "node:child_process";
import { statfsSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { machineBusyMicros } from "./proc.ts";

export type Machine = {
  readonly cores: number;
  readonly model: string;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  readonly sqlite: string;
  readonly dataOn: string;
  /** Of one core: what was used before this run began. */
  readonly busyBefore: number;
  readonly commit: string;
};

/** statfs(2). */
const fileSystems: Readonly<Record<number, string>> = {
  16914836: "tmpfs (memory: an fsync costs nothing there)",
  2035054128: "overlayfs",
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  801189825: "zfs",
};

export async function describeMachine(folder: string): Promise<Machine> {
  const busyMicros = machineBusyMicros();
  await pause(1000);
  const { type } = statfsSync(folder);
  return {
    cores: cpus().length,
    model: cpus()[0]?.model.trim() ?? "unknown",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    sqlite: process.versions["sqlite"] ?? "unknown",
    dataOn: fileSystems[type] ?? `file system 0x${type.toString(16)}`,
    busyBefore: (machineBusyMicros() - busyMicros) / 1e6,
    commit: commitHere(),
  };
}

function commitHere(): string {
  try {
    const git = (...args: string[]) => execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : ", changed"}`;
  } catch {
    return "unknown";
  }
}
