import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createArchive } from "../../../src/rpc/archive.ts";
import { createDailyFile } from "../../../src/runtime/daily-file.ts";
import { createTurns } from "../../../src/runtime/turns.ts";
import { createMemoryWorkflowStore } from "../../../src/storage/memory/workflow-store.ts";
import { temporaryFolder } from "../../support/concord.ts";
import { creation, event, put, workflow, workflowId } from "../../support/storage-values.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

test("each workflow is a line with its events, in the file of its day; a line that a crash has cut off spoils no other", async () => {
  const store = createMemoryWorkflowStore();
  for (const id of ["a", "b", "c"]) await store.apply(creation(id));
  const moved = put(workflow("b"), { state: "ACTIVE" });
  await store.apply({ puts: [moved], events: [event(moved.workflow)] });
  let nowMs = Date.parse("2026-11-27T23:59:59.900Z");
  const open = () => {
    const lines = createDailyFile(folder.path, "workflows", () => nowMs);
    return { lines, archive: createArchive({ store, lines, turns: createTurns() }) };
  };
  const { lines, archive } = open();
  await archive.append(["a", "b", "nobody"].map(workflowId));
  nowMs += 1_000;
  await archive.append([workflowId("c")]);
  await lines.close();

  const file = join(folder.path, "workflows-2026-11-28.jsonl");
  appendFileSync(file, '{"workflow":{"workflowId":"b"');
  const after = open();
  await after.archive.append([workflowId("b")]);
  await after.lines.close();

  expect(readdirSync(folder.path).toSorted()).toEqual(["workflows-2026-11-27.jsonl", "workflows-2026-11-28.jsonl"]);
  const read = (day: number) =>
    readFileSync(join(folder.path, `workflows-2026-11-${day}.jsonl`), "utf8")
      .trimEnd()
      .split("\n");
  expect(read(27).map((line) => JSON.parse(line))).toMatchObject([
    { workflow: { workflowId: "a", version: "1" }, events: [{ version: "1", type: "WORKFLOW_EVENT_TYPE_CREATED" }] },
    { workflow: { workflowId: "b", state: "WORKFLOW_STATE_ACTIVE" }, events: [{ version: "1" }, { version: "2" }] },
  ]);
  const [c, cut, b] = read(28);
  expect([JSON.parse(c ?? ""), JSON.parse(b ?? "")]).toMatchObject([{ workflow: { workflowId: "c" } }, { events: [{}, {}] }]);
  expect(() => JSON.parse(cut ?? "") as unknown).toThrow();
});
