// Run by mutants.ts in a copy of the code with one mistake in it. Prints what finds the mistake: the graphs that TLC has found, of which
// each file has one, with what they are of.
import { readFileSync } from "node:fs";
import { compare } from "../compare.ts";
import { explore } from "./explore.ts";
import { type GraphFile, graphOf } from "./graph-file.ts";

async function search(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    const { constants, ...found } = JSON.parse(readFileSync(file, "utf8")) as GraphFile;
    const graph = graphOf(found);
    const allows = (from: string, action: string, to: string): boolean => graph.edges.get(from)?.get(to)?.has(action) ?? false;
    const exploration = await explore(constants, { allows });
    const { violation } = exploration;
    if (violation) return `${violation.what}: ${violation.path.at(-1)} (${violation.path.length} steps)`;
    const { unreached, untaken } = compare(exploration, graph);
    if (unreached.length + untaken.length > 0) return `${untaken.length} steps of the spec are not taken`;
  }
  return undefined;
}

process.stdout.write((await search(process.argv.slice(2))) ?? "");
