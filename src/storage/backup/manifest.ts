import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { err, ok, type Result } from "../../kernel/result.ts";
import { type StoreKind, storeKinds } from "../sqlite/store-kind.ts";
import type { BackupFailure } from "./failure.ts";

/** Written last: a folder without it is no backup. */
export const manifestName = "concord-backup.json";

/** Grows when an older program could not restore it as it is meant. */
const formatVersion = 1;

const markSchema = z.object({ kind: z.enum(Object.keys(storeKinds) as [StoreKind]), id: z.string(), writes: z.int().min(0) });

const storeSchema = z.object({
  /** In the folder. */
  file: z.string().regex(/^[^/\\]+\.sqlite$/),
  kind: z.enum(Object.keys(storeKinds) as [StoreKind]),
  /** Where it lay. */
  source: z.string(),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  schemaVersion: z.int().min(0),
  /** A process had it in use, and may have written more since. */
  wasServed: z.boolean(),
  /** What it knew of itself and of the others. */
  marks: z.array(markSchema),
  /** Of what has one: the newest event, or the newest change of the rules. */
  newestSequence: z.int().min(0).optional(),
  /** Of a decision log: who had it. */
  claim: z.object({ coordinatorId: z.string(), epoch: z.int(), id: z.string() }).optional(),
});

const manifestSchema = z.object({
  format: z.literal(formatVersion),
  /** Of this backup. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  concord: z.string(),
  takenAt: z.iso.datetime(),
  stores: z.array(storeSchema).min(1),
});

export type StoredCopy = Readonly<z.infer<typeof storeSchema>>;
export type Manifest = Readonly<z.infer<typeof manifestSchema>>;

/** With a sum of itself. */
export const manifestText = (manifest: Manifest): string =>
  `${JSON.stringify({ ...manifest, sum: sumOf(manifest) }, undefined, 2)}\n`;

const sumOf = (manifest: object): string => createHash("sha256").update(JSON.stringify(manifest)).digest("hex");

export function readManifest(folder: string): Result<Manifest, BackupFailure> {
  const path = join(folder, manifestName);
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError)
      return err({ type: "mangled", message: `${path} is damaged: it is no JSON. Take another backup.` });
    return err({
      type: "no-backup",
      message: `${folder} is no backup that was finished: ${path} cannot be read. Take another one.`,
    });
  }
  const format = z.object({ format: z.int() }).safeParse(found);
  if (format.success && format.data.format > formatVersion) {
    const message = `${path} has format ${format.data.format}, but this program knows formats up to ${formatVersion} only. Use a newer one.`;
    return err({ type: "newer-format", message });
  }
  const { sum, ...rest } = (typeof found === "object" ? found : {}) as { readonly sum?: unknown };
  if (sum !== sumOf(rest)) return err({ type: "mangled", message: `${path} is not as it was written. Take another backup.` });
  const manifest = manifestSchema.safeParse(rest);
  if (manifest.success) return ok(manifest.data);
  const [issue] = manifest.error.issues;
  return err({
    type: "mangled",
    message: `${path} is damaged: ${issue?.path.join(".")}: ${issue?.message}. Take another backup.`,
  });
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
