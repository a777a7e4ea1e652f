import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PlantedFinding, PlantedTask } from "../planted.ts";
import type { Planted } from "./fault.ts";

// Started by planted.ts: loads the code with one mistake in it, and simulates worlds until one fails.

const [text = "", taskText = ""] = process.argv.slice(2);
const mutant = JSON.parse(text) as Planted;
const task = JSON.parse(taskText) as PlantedTask;
const urlOf = (file: string): string => pathToFileURL(join(import.meta.dirname, "..", "..", "..", file)).href;

const changes = [
  { file: mutant.file, find: mutant.find, replace: mutant.replace },
  {
    file: "src/kernel/assert.ts",
    find: "if (!condition) throw new AssertionError(invariant);",
    replace: "void [condition, invariant];",
  },
].map(({ file, ...change }) => ({ url: urlOf(file), ...change }));

const made = new Set<string>();

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const change = changes.find((each) => each.url === url);
    if (!change || loaded.source == null) return loaded;
    const source = Buffer.from(loaded.source as Uint8Array).toString();
    const count = source.split(change.find).length - 1;
    if (count !== 1) throw new Error(`${url}: the text to replace occurs ${count} times, not once:\n${change.find}`);
    made.add(url);
    return { ...loaded, source: source.replace(change.find, () => change.replace) };
  },
});

process.on("disconnect", () => process.exit());
const { runRange } = await import("../run.ts");
const { shrink } = await import("../shrink.ts");
if (made.size < changes.length) throw new Error(`${mutant.file} is not part of the simulation`);
const isOfCommit = !/^src\/(workflow|predicate|rpc|storage\/sqlite\/(workflow|rule))/.test(mutant.file);
const { focus } = mutant;
const options = {
  ...{ participantsMin: 2, participantsMax: 5, onlyCommit: isOfCommit, ...(focus !== undefined && { focus }) },
  // They hide other mistakes more often than they show them: who cannot read does less.
  ...(focus !== "reads" && { without: ["failing reads"] }),
};

async function find(firstSeed: number, seeds: number): Promise<PlantedFinding | undefined> {
  const { failures } = await runRange({ options, firstSeed, seeds, bail: true });
  const [first] = failures;
  return first && { seed: first.seed, failure: first.failure.slice(0, 120), lines: first.transcript.length };
}

const findAnywhere = async ({ first, seeds }: Extract<PlantedTask, { type: "find" }>): Promise<PlantedFinding | undefined> =>
  (first === undefined || first > seeds ? undefined : await find(first, 1)) ?? find(1, seeds);

const found = task.type === "find" ? await findAnywhere(task) : await shrink({ ...options, seed: task.seed }, task);
process.send?.({ found }, () => process.exit());
