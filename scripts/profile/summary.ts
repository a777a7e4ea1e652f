import type { AllocationProfile, CpuProfile } from "./inspector.ts";

/** What was spent on whom: microseconds, or bytes. */
export type Spent = ReadonlyMap<string, number>;

type Frame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };

/** In the functions themselves, not in those that they call. What the thread waited is left out. */
export type Summary = { readonly total: number; readonly functions: Spent; readonly places: Spent };

export function summarizeCpu({ nodes, samples = [], timeDeltas = [] }: CpuProfile): Summary {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const spent = [...samples.entries()].map(([index, id]) => ({
    frame: frames.get(id) as Frame,
    // A sample stands for the time until the next one.
    amount: timeDeltas[index + 1] ?? 0,
  }));
  return summarize(spent.filter(({ frame }) => frame.functionName !== "(idle)"));
}

export function summarizeAllocations({ head }: AllocationProfile): Summary {
  const spent: { frame: Frame; amount: number }[] = [];
  const open = [head];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    spent.push({ frame: node.callFrame, amount: node.selfSize });
    open.push(...node.children);
  }
  return summarize(spent);
}

function summarize(spent: readonly { readonly frame: Frame; readonly amount: number }[]): Summary {
  const functions = new Map<string, number>();
  const places = new Map<string, number>();
  let total = 0;
  for (const { frame, amount } of spent) {
    total += amount;
    add(functions, functionOf(frame), amount);
    add(places, placeOf(frame), amount);
  }
  return { total, functions, places };
}

function add(sums: Map<string, number>, name: string, amount: number): void {
  sums.set(name, (sums.get(name) ?? 0) + amount);
}

function functionOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  return url === "" ? name : `${name} ${shortUrl(url)}:${lineNumber + 1}`;
}

/** A folder of the project, a package, a module of Node, or what V8 does by itself. */
function placeOf({ functionName, url }: Frame): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "native";
  if (url.startsWith("node:")) return url.replace(/^node:internal\/([^/]+).*/, "node:$1");
  const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
  return inPackage?.[1] ?? (shortUrl(url).split("/").slice(0, 2).join("/") || url);
}

const shortUrl = (url: string): string =>
  url.replace(/^.*\/(?=(?:src|test|scripts|node_modules)\/)/, "").replace("node_modules/", "");

export function largest(spent: Spent, count: number): readonly (readonly [name: string, amount: number])[] {
  return [...spent].sort(([, one], [, other]) => other - one).slice(0, count);
}
