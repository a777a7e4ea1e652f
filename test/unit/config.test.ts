import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { formatDuration, loadConfig, parseDurationMs } from "../../src/config.ts";

const folder = mkdtempSync(join(tmpdir(), "concord-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(content: string): string {
  const file = join(folder, "concord.yaml");
  writeFileSync(file, content);
  return file;
}

function errorsOf(inputs: Parameters<typeof loadConfig>[0]): readonly string[] {
  const loaded = loadConfig(inputs);
  return loaded.ok ? [] : loaded.error.map(({ message }) => message);
}

const nothing = { flags: {}, environment: {}, file: undefined };

it("has a default for everything, frozen", () => {
  const loaded = loadConfig(nothing);
  expect(loaded).toMatchObject({
    ok: true,
    value: { config: { listen: "127.0.0.1:50051", predicateTimeout: 1000, maxWorkflows: 1_000_000 } },
  });
  expect(loaded.ok && Object.isFrozen(loaded.value.config)).toBe(true);
});

it("prefers flags to the environment, the environment to the file, and the file to defaults", () => {
  const file = fileWith("listen: 127.0.0.1:1\ndata-dir: from-file\nlog-level: warn\n");
  const environment = { CONCORD_LISTEN: "127.0.0.1:2", CONCORD_DATA_DIR: "from-environment", CONCORD_SERVICES: "" };
  const loaded = loadConfig({ flags: { listen: "127.0.0.1:3" }, environment, file });
  if (!loaded.ok) throw new Error("expected a configuration");
  const { config, origins } = loaded.value;
  expect(config).toMatchObject({ listen: "127.0.0.1:3", dataDir: "from-environment", logLevel: "warn" });
  expect(config.services).toEqual(["workflow", "predicate", "commit"]);
  expect(origins.find(({ name }) => name === "listen")?.source).toBe("flag --listen");
  expect(origins.find(({ name }) => name === "data-dir")?.source).toBe("environment CONCORD_DATA_DIR");
  expect(origins.find(({ name }) => name === "log-level")?.source).toBe(`file ${file}`);
  expect(origins.find(({ name }) => name === "services")?.source).toBe("default");
});

it("names key, value, source and what is allowed in every error, and reports all of them", () => {
  const environment = { CONCORD_MAX_WORKFLOWS: "many" };
  const errors = errorsOf({ flags: { listen: "nowhere", services: "workflow,queue" }, environment, file: undefined });
  expect(errors).toHaveLength(3);
  expect(errors[0]).toBe(
    'listen: "nowhere" (flag --listen) must be host:port, such as 127.0.0.1:50051, or unix:/path of a socket',
  );
  expect(errors[1]).toContain("must be one of workflow, predicate, commit");
  expect(errors[2]).toBe('max-workflows: "many" (environment CONCORD_MAX_WORKFLOWS) must be a whole number from 1 to 1000000000');
});

it("says what to write where YAML has read a number, or a unit is missing", () => {
  const file = fileWith(
    "shutdown-grace: 5\nmax-message: 4\ndata-dir: 7\nlisten: 5\nservices: 3\nsinks: true\nhttp-allow-host: 5\nparticipant-id: 1\n",
  );
  expect(errorsOf({ ...nothing, flags: { predicateTimeout: "2" }, file })).toEqual([
    `listen: 5 (file ${file}) must be host:port, such as 127.0.0.1:50051, or unix:/path of a socket`,
    `data-dir: 7 (file ${file}) must be a folder`,
    `services: 3 (file ${file}) must name services, comma separated: workflow, predicate, commit`,
    'predicate-timeout: "2" (flag --predicate-timeout) must be a duration from 10ms to 1m, such as 250ms, 2s, 1m, 1h or 30d; write 2s',
    `max-message: 4 (file ${file}) must be a size from 1MiB to 20MiB, such as 64KiB, 4MiB or 1GiB; write 4MiB`,
    `participant-id: 1 (file ${file}) must be 1 to 128 characters of [A-Za-z0-9._:-], the first a letter or digit`,
    `http-allow-host: 5 (file ${file}) must be names of hosts, comma separated, without ports; or *, any`,
    `sinks: true (file ${file}) must be a file`,
    `shutdown-grace: 5 (file ${file}) must be a duration from 0s to 10m, such as 250ms, 2s, 1m, 1h or 30d; write 5s`,
  ]);
});

it("refuses unknown keys, and files that are missing or not a mapping", () => {
  expect(errorsOf({ ...nothing, file: fileWith("lisen: x\n") })[0]).toContain("lisen: unknown key");
  expect(errorsOf({ ...nothing, file: fileWith("- a\n") })[0]).toContain("must hold keys and values");
  expect(errorsOf({ ...nothing, file: join(folder, "missing.yaml") })[0]).toContain("cannot read");
});

it("reads durations as people write them", () => {
  expect(["250ms", "2s", "1.5s", "1m", "1h", "30d"].map(parseDurationMs)).toEqual([
    250, 2_000, 1_500, 60_000, 3_600_000, 2_592_000_000,
  ]);
  expect([0, 250, 90_000, 86_400_000, 2 * 86_400_000, 2_592_000_000].map(formatDuration)).toEqual([
    ...["0s", "250ms", "90s", "24h", "2d", "30d"],
  ]);
  expect(["", "5", "s", "-1s", "1 d"].map(parseDurationMs)).toEqual([undefined, undefined, undefined, undefined, undefined]);
});
