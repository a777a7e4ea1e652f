import { readFileSync } from "node:fs";

/** What a process has done to the files of a folder, in order. See record.c. */
export type Step =
  | { readonly type: "create"; readonly path: string; readonly inode: string }
  | { readonly type: "write"; readonly path: string; readonly inode: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly type: "truncate"; readonly inode: string; readonly size: number }
  /** Of a file or of a folder. */
  | { readonly type: "sync"; readonly inode: string; readonly path: string }
  | { readonly type: "rename"; readonly path: string; readonly to: string }
  | { readonly type: "unlink"; readonly path: string };

const newline = 0x0a;

export function readRecording(path: string): Step[] {
  const all = readFileSync(path);
  const steps: Step[] = [];
  for (let at = 0; at < all.length; ) {
    const end = all.indexOf(newline, at);
    const [head = "", to = ""] = all.toString("utf8", at, end).split("\t");
    const [op = "", inode = "", offset, length, ...rest] = head.split(" ");
    const bytes = all.subarray(end + 1, end + 1 + Number(length));
    steps.push(toStep({ op, inode, offset: Number(offset), bytes, path: rest.join(" "), to }));
    at = end + 1 + Number(length);
  }
  return steps;
}

type Line = {
  readonly op: string;
  readonly inode: string;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly path: string;
  readonly to: string;
};

function toStep({ op, inode, offset, bytes, path, to }: Line): Step {
  switch (op) {
    case "c":
      return { type: "create", path, inode };
    case "w":
      return { type: "write", path, inode, offset, bytes };
    case "t":
      return { type: "truncate", inode, size: offset };
    case "s":
      return { type: "sync", inode, path };
    case "r":
      return { type: "rename", path, to };
    case "u":
      return { type: "unlink", path };
    default:
      throw new Error(`no record: ${op}`);
  }
}
