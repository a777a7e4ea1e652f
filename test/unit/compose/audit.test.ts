import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openAudit } from "../../../src/compose/audit.ts";
import type { Config } from "../../../src/config.ts";
import { temporaryFolder } from "../../support/concord.ts";
import { fakeClock } from "../../support/fake-clock.ts";

test("the log of the process has the hash of the audit log's last line: at its start, each hour in which lines have come, and at its end", async () => {
  const folder = temporaryFolder();
  const auditLog = join(folder.path, "audit.jsonl");
  const told: string[] = [];
  const tell = (fields: object, message: string) => void told.push(`${message} ${JSON.stringify(fields)}`);
  const counted: string[] = [];
  const metrics = {
    audit: { line: (event: string) => void counted.push(event), lost: () => undefined, stuck: () => undefined },
  };
  const clock = fakeClock();
  const opened = openAudit({ auditLog } as Config, { logger: { info: tell, warn: tell, error: tell } as never, metrics, clock });
  if (!opened.ok) throw new Error(opened.error.message);
  const { value: audit } = opened;
  await clock.pass(3_600_000);
  audit.changed({ method: "a/B", principal: "ada", address: "x:1" }, { code: "OK" });
  await clock.pass(7_200_000);
  audit.close();
  const hashes = readFileSync(auditLog, "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { previous: string }).previous]));
  expect(counted).toEqual(["changed"]);
  expect(told.map((line) => line.replace(/ \{.*/, ""))).toEqual([
    "the audit log goes on from here",
    "the audit log has come this far",
    "the audit log ends here",
  ]);
  // Each line has the hash of the one before.
  expect(told[0]).toContain(`"sequence":1,"hash":"${hashes[1]}"`);
  expect(told[1]).toContain(`"sequence":2,"hash":"${hashes[2]}"`);
  expect(clock.waiting()).toEqual([]);
  folder.remove();
});

test("without the setting nobody is told of anything", () => {
  const none = openAudit({ auditLog: undefined } as Config, {} as never);
  expect(none.ok && none.value.changed({ method: "a/B", principal: "", address: "" }, { code: "OK" })).toBeUndefined();
});
