import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/concord.ts";
import { runConcord, serve } from "../support/process.ts";
import { until } from "../support/until.ts";

const data = temporaryFolder();
afterAll(() => data.remove());

const [rules, transactions] = ["concord.predicate.v1.PredicateLogic", "concord.commit.v1.TwoPhaseCommit"];

test("a workflow manager that does not know where its rules and its coordinator are does not start", async () => {
  const started = runConcord([
    "serve",
    "--services",
    "workflow",
    "--listen",
    "127.0.0.1:0",
    "--data-dir",
    join(data.path, "none"),
  ]);
  expect(await started.exited).toBe(2);
  const { msg = "" } = started.log.at(-1) ?? {};
  expect(msg.split(/\n */)).toEqual([
    "predicate-address: must say where PredicateLogic is, since this process serves workflow only",
    "commit-address: must say where TwoPhaseCommit is, since this process serves workflow only",
  ]);
});

test("one whose rules are away says so once, before they are needed, where and why; and that they are back", async () => {
  const other = await serve(join(data.path, "other"), { flags: ["--services", "commit"] });
  const flags = ["--services", "workflow", "--predicate-address", other.address, "--commit-address", other.address];
  const listens = ["--http-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
  const manager = await serve(join(data.path, "manager"), { flags: [...flags, ...listens] });
  const { http, metrics } = await manager.logged("serving");
  const peers = async () => ((await (await fetch(`http://${http}/health`)).json()) as { readonly peers: object }).peers;
  const up = async () => (await (await fetch(`http://${metrics}/metrics`)).text()).match(/^concord_peer_up.*$/gm);

  const away = { level: "warn", msg: "a service that is needed is away", service: rules, address: other.address };
  const cause = `no ${rules} is served there`;
  expect(await manager.logged({ ...away, cause })).toBeDefined();
  await until(async () => (await up())?.length === 2, "both have answered");
  expect(await peers()).toEqual({
    [String(rules)]: { address: other.address, status: "AWAY", cause },
    [String(transactions)]: { address: other.address, status: "THERE" },
  });
  expect(await up()).toEqual(
    expect.arrayContaining([
      `concord_peer_up{service="${rules}",address="${other.address}"} 0`,
      `concord_peer_up{service="${transactions}",address="${other.address}"} 1`,
    ]),
  );

  await other.kill();
  expect(await manager.logged({ ...away, service: String(transactions) })).toMatchObject({
    cause: expect.stringMatching(/^(nobody listens there|it has not answered in time|UNAVAILABLE: [^.]*)$/),
  });
  const both = await serve(join(data.path, "other"), { listen: other.address, flags: ["--services", "predicate,commit"] });
  for (const service of [rules, transactions]) {
    await manager.logged({ level: "info", msg: "a service that is needed is back", service, address: other.address });
  }
  expect(manager.log.filter(({ msg, service }) => msg === away.msg && service === rules)).toHaveLength(1);
  expect(await manager.terminate()).toBe(0);
  expect(await both.terminate()).toBe(0);
});
