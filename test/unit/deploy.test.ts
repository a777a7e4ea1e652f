import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { environmentName, type SettingName, settingNames } from "../../src/config.ts";

// Neither helm, a cluster, podman nor systemd is here: what can be known without them, of the files as they stand.

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, "deploy", file), "utf8");
const chart = "helm/concord";
const known = new Set(["config", ...settingNames].map((name) => environmentName(name as SettingName)));

type Tree = { readonly [name: string]: Tree } | undefined;
type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly required?: readonly string[];
};

/** A template as it is with some values: lines that only act are left out, what is inserted in a line is a word. */
const withoutActions = (template: string): string =>
  template
    .split("\n")
    .filter((line) => !/^\s*\{\{.*\}\}\s*$/.test(line))
    .map((line) => line.replaceAll(/\{\{.*?\}\}/g, "x"))
    .join("\n");

test.each(["Containerfile", "concord.service", `${chart}/templates/statefulset.yaml`])(
  "%s sets only what is a setting",
  (file) => {
    const named = read(file).match(/CONCORD_[A-Z_]*[A-Z]\b/g) ?? [];
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  },
);

describe("the chart", () => {
  const values = parse(read(`${chart}/values.yaml`)) as Tree;
  const schema = JSON.parse(read(`${chart}/values.schema.json`)) as Schema;
  const templates = globSync(`deploy/${chart}/templates/*`, { cwd: root }).map((file) => file.slice("deploy/".length));

  test("has the version of the program", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
    expect(parse(read(`${chart}/Chart.yaml`))).toMatchObject({ apiVersion: "v2", version, appVersion: version });
  });

  test.each(templates)("%s asks for values that there are", (file) => {
    const paths = [...read(file).matchAll(/\.Values((?:\.\w+)+)/g)].map(([, path = ""]) => path.slice(1).split("."));
    for (const path of paths) {
      const found = path.reduce<Tree | symbol>(
        (tree, name) => (typeof tree === "object" && name in tree ? (tree[name] ?? Symbol(name)) : undefined),
        values,
      );
      expect(found, path.join(".")).toBeDefined();
    }
  });

  test("has a schema for each value, and no more", () => {
    const check = (tree: unknown, { properties, additionalProperties, required = [] }: Schema, place: string): void => {
      if (properties === undefined || typeof tree !== "object" || tree === null) return;
      expect(additionalProperties, place).toBe(false);
      expect(
        Object.keys(properties)
          .filter((name) => name !== "global")
          .sort(),
        place,
      ).toEqual(Object.keys(tree).sort());
      expect(Object.keys(properties), place).toEqual(expect.arrayContaining([...required]));
      for (const [name, value] of Object.entries(tree)) check(value, properties[name] ?? {}, `${place}.${name}`);
    };
    check(values, schema, "values");
  });

  test("opens and closes what it says", () => {
    for (const file of templates) {
      const words = [...read(file).matchAll(/\{\{-?\s*(if|with|range|define|end)\b/g)].map(([, word]) => word);
      const ends = words.filter((word) => word === "end").length;
      expect(ends, file).toBe(words.length - ends);
    }
  });

  test("runs one pod without privileges, on a root that it cannot write, asked for its health by what serves it", () => {
    const { spec } = parse(withoutActions(read(`${chart}/templates/statefulset.yaml`)));
    const { securityContext, containers, volumes } = spec.template.spec;
    expect(spec.replicas).toBe(1);
    expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 10_001 });
    const [container] = containers;
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    const ports: { readonly grpc?: number; readonly http?: number; readonly metrics?: number } = Object.fromEntries(
      container.ports.map((port: { name: string; containerPort: number }) => [port.name, port.containerPort]),
    );
    const env = Object.fromEntries(container.env.map((each: { name: string; value: string }) => [each.name, each.value]));
    expect(env).toMatchObject({
      CONCORD_LISTEN: `0.0.0.0:${ports.grpc}`,
      CONCORD_HTTP_LISTEN: `0.0.0.0:${ports.http}`,
      CONCORD_METRICS_LISTEN: `0.0.0.0:${ports.metrics}`,
    });
    for (const probe of [container.startupProbe, container.readinessProbe])
      expect(probe.httpGet).toMatchObject({ path: "/health", port: "http" });
    expect(container.livenessProbe.httpGet).toMatchObject({ path: "/metrics", port: "metrics" });
    const mounted = container.volumeMounts.map(({ name }: { name: string }) => name).sort();
    const given = [...volumes, ...spec.volumeClaimTemplates.map(({ metadata }: { metadata: object }) => metadata)];
    expect(mounted).toEqual(given.map(({ name }: { name: string }) => name).sort());
  });

  test.each(["service.yaml", "poddisruptionbudget.yaml", "networkpolicy.yaml"])("%s is YAML of its kind", (file) => {
    const { kind, metadata, spec } = parse(withoutActions(read(`${chart}/templates/${file}`)));
    expect(`${kind.toLowerCase()}.yaml`).toBe(file);
    expect([typeof metadata.name, typeof spec]).toEqual(["string", "object"]);
  });

  test("has no sub-chart, so no database", () => {
    expect(parse(read(`${chart}/Chart.yaml`)).dependencies).toBeUndefined();
  });
});

test("the image runs as a user that is a number, and asks itself for its health", () => {
  const lines = read("Containerfile").split("\n");
  expect(lines.filter((line) => line.startsWith("USER "))).toEqual(["USER 10001:10001"]);
  expect(lines.findIndex((line) => line.startsWith("USER "))).toBeGreaterThan(
    lines.findLastIndex((line) => line.startsWith("RUN ")),
  );
  expect(lines.some((line) => line.startsWith("HEALTHCHECK "))).toBe(true);
});

test("the unit gives more time to stop than Concord takes, and restarts nothing that is misconfigured", () => {
  const entries = read("concord.service")
    .split("\n")
    .filter((line) => /^\w+=/.test(line))
    .map((line) => line.split(/=(.*)/s) as [string, string]);
  const unit = new Map(entries);
  expect(Number(unit.get("TimeoutStopSec"))).toBeGreaterThan(6);
  expect(unit.get("RestartPreventExitStatus")).toBe("2");
  expect([unit.get("DynamicUser"), unit.get("ProtectSystem"), unit.get("NoNewPrivileges")]).toEqual(["yes", "strict", "yes"]);
});
