import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../../src/kernel/json.ts";

export type SuiteGroup = {
  readonly description: string;
  readonly schema: Json;
  readonly tests: readonly { readonly description: string; readonly data: Json; readonly valid: boolean }[];
};

/** https://github.com/json-schema-org/JSON-Schema-Test-Suite at 44401e0, unaltered; its npm packages end with draft-06. */
const root = join(import.meta.dirname, "json-schema-suite");

/** The groups of each keyword, or format, of a draft. */
export function suiteFiles(directory: string): readonly (readonly [string, readonly SuiteGroup[]])[] {
  return readdirSync(join(root, directory))
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => [name.replace(".json", ""), JSON.parse(readFileSync(join(root, directory, name), "utf8"))] as const);
}
