import { expect, test } from "vitest";
import { findPlanted, planted, shrinkPlanted } from "./planted.ts";
import { commandOf } from "./shrink.ts";

test("a world that fails is shrunk to a simpler one that fails in the same way, and a command replays it", async () => {
  const mutant = planted.find(({ name }) => name === "a decision is sent before it is forced");
  if (!mutant) throw new Error("the list of planted faults lacks it");
  const found = await findPlanted(mutant, 20);
  if (!found) throw new Error("the planted fault is not found");
  const shrunk = await shrinkPlanted(mutant, found.seed, 60);
  expect(shrunk?.failure).toMatch(/^WriteAheadDecision: /);
  expect(shrunk?.lines).toBeLessThan(found.lines);
  expect(shrunk?.options.without?.length).toBeGreaterThan(10);
  const command = shrunk && commandOf(shrunk.options);
  expect(command).toMatch(/^bin\/concord simulate --seed \d+ --participants \d..\d --without ".*--only-commit --verbose$/);
  console.log(`shrunk from ${found.lines} lines to ${shrunk?.lines}: ${command}`);
});
