// Loaded first: Concord's code with one mistake in it, and without the assertions that would notice. `PLANTED={"file","find","replace"} node --import plant.ts …`
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export type Planted = { readonly file: string; readonly find: string; readonly replace: string };

const asserts = { file: "src/kernel/assert.ts", find: "if (!condition) throw", replace: "if (false && !condition) throw" };

const root = join(import.meta.dirname, "../../..");
const changes = [JSON.parse(process.env["PLANTED"] ?? "null") as Planted, asserts];

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const change = changes.find(({ file }) => url === pathToFileURL(join(root, file)).href);
    if (!change || loaded.source == null) return loaded;
    const source = Buffer.from(loaded.source as Uint8Array).toString();
    const count = source.split(change.find).length - 1;
    if (count !== 1) throw new Error(`${change.file}: the text to replace occurs ${count} times, not once`);
    return { ...loaded, source: source.replace(change.find, () => change.replace) };
  },
});
