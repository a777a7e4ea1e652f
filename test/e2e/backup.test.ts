import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, expect, test } from "vitest";
import { readParticipantRecords } from "../../demo/participant-records.ts";
import { type Clients, connect } from "../../src/cli/client.ts";
import { WorkflowState } from "../../src/gen/concord/workflow/v1/workflow.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { temporaryFolder } from "../support/concord.ts";
import { participate, runConcord, serve } from "../support/process.ts";
import { typed } from "../support/typed.ts";
import { until } from "../support/until.ts";

const data = temporaryFolder();
afterAll(data.remove);

const manager = "concord.workflow";
const by = { reason: "a test", requestedBy: "ada" };

type StoredPart = { readonly participantId: string; readonly acknowledgedOutcome?: string };

function rowsOf(path: string, sql: string): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

/** Throws if two of the stores of a folder say what cannot have been at one moment. Says how many transactions it has compared. */
function checkFolder(folder: string): { readonly compared: number; readonly held: number; readonly prepared: number } {
  const workflows = join(folder, "workflow.sqlite");
  const moves = rowsOf(
    workflows,
    `SELECT id, state, version, held_by,
       (SELECT count(*) FROM events WHERE workflow_id = workflows.id) AS events,
       (SELECT to_state FROM events WHERE workflow_id = workflows.id ORDER BY sequence DESC LIMIT 1) AS last_state
     FROM workflows`,
  );
  for (const { id, state, version, events, last_state } of moves) {
    expect([id, version, state]).toEqual([id, events, last_state]);
  }
  const here = new Map(
    rowsOf(workflows, "SELECT transaction_id AS id, outcome FROM outcomes").map((row) => [row["id"], row["outcome"]]),
  );
  const moved = rowsOf(workflows, "SELECT transaction_id AS id FROM events WHERE transaction_id IS NOT NULL").map(({ id }) => id);
  const committedHere = [...here].flatMap(([id, outcome]) => (outcome === "committed" ? [id] : []));
  expect(moved.toSorted()).toEqual(committedHere.toSorted());
  const held = new Set(moves.flatMap(({ held_by }) => (held_by === null ? [] : [held_by])));
  const alpha = readParticipantRecords(join(folder, "participant-alpha.sqlite"));

  const log = rowsOf(join(folder, "commit.sqlite"), "SELECT id, outcome, body FROM transactions").map(
    ({ id, outcome, body }) => ({
      id: String(id),
      outcome,
      parts: (JSON.parse(String(body)) as { readonly parts: readonly StoredPart[] }).parts,
    }),
  );
  const decided = new Map(log.map(({ id, outcome }) => [id, outcome]));
  // What was done had been decided.
  for (const id of committedHere) expect([id, decided.get(String(id))]).toEqual([id, "committed"]);
  for (const [id, state] of alpha) if (state === "committed") expect([id, decided.get(id)]).toEqual([id, "committed"]);
  // What was acknowledged had been done, and what is decided is promised.
  for (const { id, outcome, parts } of log) {
    if (outcome !== "committed") continue;
    const hasAcknowledged = (name: string) =>
      parts.some((part) => part.participantId === name && part.acknowledgedOutcome !== undefined);
    if (hasAcknowledged(manager)) expect([id, here.get(id)]).toEqual([id, "committed"]);
    else expect([id, held.has(id) || here.get(id) === "committed"]).toEqual([id, true]);
    if (hasAcknowledged("alpha")) expect([id, alpha.get(id)]).toEqual([id, "committed"]);
    else expect([id, alpha.get(id)]).toEqual([id, expect.stringMatching(/^(prepared|committed)$/)]);
  }
  return {
    compared: committedHere.length,
    held: held.size,
    prepared: [...alpha.values()].filter((state) => state === "prepared").length,
  };
}

/** Moves workflows alone and together with alpha, as fast as one caller can, until it is stopped. */
async function move({ workflows }: Clients, name: string, isOver: () => boolean): Promise<void> {
  for (let index = 0; !isOver(); index += 1) {
    const workflowId = `${name}-${index}`;
    await workflows.createWorkflow({ workflowId, ...by });
    await workflows.transitionWorkflow({ workflowId, targetState: WorkflowState.ACTIVE, ...by });
    const enlist = [{ participantId: "alpha" }];
    await workflows.transitionWorkflow({ workflowId, targetState: WorkflowState.COMPLETED, enlist, ...by });
  }
}

test("backups under load are one moment of all stores and of a participant's log, and what is restored goes on as after a kill", async () => {
  const folder = join(data.path, "served");
  const logs = join(data.path, "logs");
  mkdirSync(logs);
  const server = await serve(folder);
  const { address } = server;
  const alpha = await participate("alpha", { address, dataDir: logs });
  const channel = openChannel(address);
  const clients = connect(channel);
  let isOver = false;
  const movers = ["a", "b", "c", "d", "e", "f"].map((name) => move(clients, name, () => isOver));

  const backups = ["1", "2", "3"].map((name) => join(data.path, "backups", name));
  const also = ["--also", join(logs, "participant-alpha.sqlite")];
  for (const to of backups) {
    const backup = runConcord(["backup", "--data-dir", folder, ...also, "--to", to, "-o", "json"]);
    expect([await backup.exited, backup.text()]).toEqual([0, expect.any(String)]);
    const { stores, mismatches } = JSON.parse(backup.text());
    expect(mismatches).toEqual([]);
    expect(stores.map(({ file, wasServed }: { file: string; wasServed: boolean }) => [file, wasServed])).toEqual(
      ["commit", "predicate", "verdicts", "workflow", "participant-alpha"].map((name) => [`${name}.sqlite`, true]),
    );
  }
  isOver = true;
  await Promise.all(movers);
  channel.close();
  const found = backups.map(checkFolder);
  expect(found.at(-1)?.compared).toBeGreaterThan(0);
  await server.kill();
  await alpha.kill();
  const killed = join(data.path, "backups", "killed");
  const last = runConcord(["backup", "--data-dir", folder, ...also, "--to", killed]);
  expect([await last.exited, last.text()]).toEqual([0, expect.stringContaining("5 stores as of")]);
  checkFolder(killed);

  const restored = join(data.path, "restored");
  expect(await typed(["restore", "--from", backups[2] ?? "", "--data-dir", restored], { address })).toMatchObject({ code: 0 });
  const again = await serve(restored, { listen: address });
  const back = await participate("alpha", { address, dataDir: restored });
  await until(async () => {
    const { out } = await typed(["status", "-o", "json"], { address });
    const { coordinator } = JSON.parse(out).processes[0].status;
    return coordinator.connectedParticipants === 2 && !coordinator.undecided && !coordinator.unacknowledged;
  }, "all that was under way has ended");
  expect(await again.terminate()).toBe(0);
  expect(await back.terminate()).toBe(0);
  expect(checkFolder(restored)).toMatchObject({ held: 0, prepared: 0 });
});
