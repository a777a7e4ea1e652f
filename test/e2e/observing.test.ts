import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { startConcord } from "../../src/compose.ts";
import { loadConfig } from "../../src/config.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { temporaryFolder } from "../support/concord.ts";
import { isMissing } from "../support/toolchain.ts";

// The dashboard and the alert rules of deploy/, held against what a server really tells and what the documentation has.

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");
const alerts = "deploy/prometheus/alerts.yaml";

type Rule = {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};
type Panel = { readonly title: string; readonly targets?: readonly { readonly expr: string }[] };

const { groups } = parse(read(alerts)) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(read("deploy/grafana/concord.json")) as { readonly panels: readonly Panel[] };
const shown = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

const data = temporaryFolder();
/** Types of metrics by their names. */
let types: ReadonlyMap<string, string>;
let stop = async (): Promise<void> => {};

beforeAll(async () => {
  const sinks = join(data.path, "sinks.yaml");
  process.env["OBSERVING_SECRET"] = "secret";
  const hook = { name: "hook", type: "webhook", url: "http://127.0.0.1:9/", secret_env: "OBSERVING_SECRET" };
  writeFileSync(sinks, JSON.stringify({ sinks: [hook] }));
  const flags = { listen: "127.0.0.1:0", metricsListen: "127.0.0.1:0", dataDir: data.path, sinks };
  const loaded = loadConfig({ flags, environment: {}, file: undefined });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  const started = await startConcord({ config: loaded.value.config, logger: createLogger({ level: "silent", format: "json" }) });
  if (!started.ok) throw new Error(started.error.message);
  stop = started.value.stop;
  const text = await (await fetch(`http://127.0.0.1:${started.value.metricsPort}/metrics`)).text();
  types = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = "", type = ""]) => [name, type]));
});

afterAll(async () => {
  await stop();
  data.remove();
});

/** Metrics that an expression asks for. */
const metricsIn = (expr: string): readonly string[] =>
  expr.replaceAll(/\bby \([^)]*\)|\{[^}]*\}/g, " ").match(/\b(?:concord|rpc|nodejs|process)_\w+(?=[[ )]|$)/g) ?? [];

function isTold(metric: string): boolean {
  const histogram = /^(\w+)_(?:bucket|count|sum)$/.exec(metric)?.[1];
  return types.has(metric) ? types.get(metric) !== "histogram" : types.get(histogram ?? "") === "histogram";
}

test.each(rules)("$alert asks for metrics that there are, says what to do, and leads to a section that is there", (rule) => {
  const asked = metricsIn(rule.expr);
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.filter((metric) => !isTold(metric))).toEqual([]);
  expect(["page", "ticket"]).toContain(rule.labels["severity"]);
  expect(Object.keys(rule.annotations)).toEqual(["summary", "description", "do", "runbook"]);
  const [page = "", anchor = ""] = (rule.annotations["runbook"] ?? "").split("#");
  const anchors = [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) => anchorOf(title));
  expect(anchors).toContain(anchor);
});

const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

test("each alert is in the table of docs/operations.md, with its severity", () => {
  const table = [...read("docs/operations.md").matchAll(/^\| `(Concord\w+)` \| (\w+) \|/gm)].map(([, alert, severity]) => [
    alert,
    severity,
  ]);
  expect(table.sort()).toEqual(rules.map(({ alert, labels }) => [alert, labels["severity"]]).sort());
});

test("each panel of the dashboard asks for metrics that there are, and names no others", () => {
  expect(shown.length).toBeGreaterThan(40);
  for (const { title, expr } of shown) {
    const asked = metricsIn(expr);
    expect(asked.length, title).toBeGreaterThan(0);
    expect(
      asked.filter((metric) => !isTold(metric)),
      title,
    ).toEqual([]);
  }
});

test("what docs/operations.md says of metrics is so, and each metric of Concord is there", () => {
  const page = read("docs/operations.md");
  const own = [...types.keys()].filter((name) => /^(?:concord|rpc)_/.test(name));
  const short = (name: string): string => name.replace(/^concord_(?:commit|predicate|sink|receiving|events|workflows)_?/, "");
  expect(own.filter((name) => !page.includes(name) && !page.includes(`…_${short(name)}`))).toEqual([]);
});

describe("with promtool", () => {
  test.skipIf(isMissing("promtool", "whether the alert rules fire"))("the rules are rules, and fire when they should", () => {
    const run = (...args: readonly string[]): string => execFileSync("promtool", args, { cwd: root, encoding: "utf8" });
    expect(run("check", "rules", alerts)).toContain(`SUCCESS: ${rules.length} rules found`);
    expect(run("test", "rules", "deploy/prometheus/alerts.test.yaml")).toContain("SUCCESS");
  });
});
