import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chainStart, createVerifier, goOnAfter, type PlacedLine, type Tail } from "../../../src/access/audit-chain.ts";
import { type GrowingFile, openAuditLog } from "../../../src/access/audit-log.ts";
import { sha256Of } from "../../../src/access/sha256.ts";
import { err, ok } from "../../../src/kernel/result.ts";
import { fakeClock } from "../../support/fake-clock.ts";

/** Files as texts, and one of them where the log is looked for. */
function world() {
  const disk = { current: { text: "" }, takes: true, opens: true };
  const told: string[] = [];
  const open = () => {
    if (!disk.opens) return err({ message: "no such folder" });
    const mine = disk.current;
    const file: GrowingFile = {
      tail: tailOf(mine.text),
      write(text) {
        if (disk.takes) mine.text += text;
        return disk.takes;
      },
      isMoved: () => disk.current !== mine,
      close: () => void told.push("closed"),
    };
    return ok(file);
  };
  const log = () =>
    openAuditLog({
      open,
      clock: fakeClock(),
      report: { torn: () => told.push("torn"), lost: () => told.push("lost"), moved: (problem) => told.push(`moved ${problem}`) },
      about: { version: "1" },
    });
  const opened = () => {
    const each = log();
    if (!each.ok) throw new Error(each.error.message);
    return each.value;
  };
  return { disk, told, log, opened };
}

function tailOf(text: string): Tail {
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  return { lines: lines.slice(-2).map((line) => Buffer.from(line)), rest: Buffer.from(rest) };
}

const verified = (...texts: readonly string[]) => verifiedAfter(undefined, ...texts);

function verifiedAfter(continues: string | undefined, ...texts: readonly string[]) {
  const verifier = createVerifier(() => undefined, continues);
  for (const [file, text] of texts.entries()) {
    const lines = text.split("\n");
    const rest = lines.pop() ?? "";
    const placed = (line: string, index: number, isWhole: boolean): PlacedLine => ({
      file: String(file),
      number: index + 1,
      bytes: Buffer.from(line),
      isWhole,
    });
    for (const [index, line] of lines.entries()) {
      const broken = verifier.next(placed(line, index, true));
      if (broken !== undefined) return { broken };
    }
    if (rest !== "") verifier.next(placed(rest, lines.length, false));
  }
  return verifier.finish();
}

const events = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { event: string }).event);

describe("a chain of lines", () => {
  test("goes on over restarts, and says when it began and ended", () => {
    const { disk, opened } = world();
    const first = opened();
    first.append({ event: "changed", principal: "ada" });
    first.close();
    const second = opened();
    second.append({ event: "denied" });
    expect(events(disk.current.text)).toEqual(["opened", "changed", "closed", "opened", "denied"]);
    const last = disk.current.text.split("\n").at(-2) ?? "";
    expect(second.end()).toEqual({ sequence: 5, hash: sha256Of(last) });
    expect(verified(disk.current.text)).toEqual({
      verified: {
        ...{ lines: 5, torn: 0, lost: 0, unfinished: false, continues: undefined },
        first: { sequence: 1, at: "1970-01-01T00:00:01.000Z" },
        last: { at: "1970-01-01T00:00:01.000Z", ...second.end() },
      },
    });
  });

  test("a process may die at any byte, many times: the next one says so, and the chain goes on", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ lines: fc.nat(3), cut: fc.nat(400) }), { minLength: 1, maxLength: 4 }), (lives) => {
        const { disk, opened } = world();
        for (const { lines, cut } of lives) {
          const log = opened();
          const before = disk.current.text.length;
          for (let index = 0; index < lines; index += 1) log.append({ event: "changed", about: { name: "ä" } });
          // What an earlier life has written stays.
          const from = Math.max(before, disk.current.text.length - cut);
          disk.current.text = disk.current.text.slice(0, from);
        }
        const last = opened();
        last.append({ event: "changed" });
        const found = verified(disk.current.text);
        expect(found).toMatchObject({ verified: { last: last.end() } });
      }),
    );
  });

  test("a line that was cut off in the middle of its ending stays in the file, and is told with its hash", () => {
    const { disk, told, opened } = world();
    opened();
    const torn = '{"sequence":2,"at":"2026-';
    disk.current.text += torn;
    opened();
    expect(told).toEqual(["torn"]);
    expect(disk.current.text.split("\n").at(-2)).toContain(`"torn":{"bytes":${torn.length},"sha256":"${sha256Of(torn)}"}`);
    expect(verified(disk.current.text)).toMatchObject({ verified: { lines: 2, torn: 1 } });
    // A start that came no further than to end it.
    disk.current.text += `${torn}\n`;
    opened();
    expect(verified(disk.current.text)).toMatchObject({ verified: { lines: 3, torn: 2 } });
  });

  test("what cannot be written is lost, and the next line that can says how much", () => {
    const { disk, told, opened } = world();
    const log = opened();
    disk.takes = false;
    log.append({ event: "changed", n: 1 });
    log.append({ event: "changed", n: 2 });
    disk.takes = true;
    log.append({ event: "changed", n: 3 });
    expect(told).toEqual(["lost", "lost"]);
    expect(JSON.parse(disk.current.text.split("\n").at(-2) ?? "")).toMatchObject({ sequence: 2, n: 3, lost: 2 });
    expect(verified(disk.current.text)).toMatchObject({ verified: { lines: 2, lost: 2 } });
  });

  test("a file that is moved away is continued by a new one, whose first line has the hash of its last", () => {
    const { disk, told, opened } = world();
    const log = opened();
    log.append({ event: "changed" });
    const old = disk.current;
    const { hash } = log.end();
    disk.current = { text: "" };
    log.append({ event: "denied" });
    expect(events(old.text)).toEqual(["opened", "changed"]);
    expect(events(disk.current.text)).toEqual(["opened", "denied"]);
    expect(told).toEqual(["moved undefined", "closed"]);
    const alone = disk.current.text;
    expect(verified(alone)).toMatchObject({ broken: { number: 1, why: expect.stringContaining("lines 1 to 2 are not here") } });
    expect(verifiedAfter(hash, alone)).toMatchObject({ verified: { continues: hash, first: { sequence: 3 } } });
    expect(verifiedAfter("0".repeat(64), alone)).toHaveProperty("broken");
    expect(verifiedAfter(sha256Of("other"), alone)).toMatchObject({
      broken: { why: expect.stringContaining(sha256Of("other")) },
    });
    expect(verifiedAfter(hash, old.text, alone)).toMatchObject({ broken: { file: "0", number: 1 } });
    expect(verified(old.text, disk.current.text)).toMatchObject({ verified: { lines: 4, continues: undefined } });
    expect(verified(disk.current.text, old.text)).toMatchObject({ broken: { file: "0", number: 1 } });
  });

  test("a file that is moved away while nobody writes is continued by none: a chain begins anew", () => {
    const { disk, opened } = world();
    opened().close();
    const old = disk.current;
    disk.current = { text: "" };
    opened();
    expect(verified(disk.current.text)).toMatchObject({ verified: { first: { sequence: 1 }, continues: undefined } });
    expect(verified(old.text, disk.current.text)).toMatchObject({ broken: { file: "1", number: 1 } });
  });

  test("while there can be no new file, the old one goes on, and that is told once", () => {
    const { disk, told, opened } = world();
    const log = opened();
    const old = disk.current;
    disk.current = { text: "" };
    disk.opens = false;
    log.append({ event: "changed" });
    log.append({ event: "changed" });
    expect(events(old.text)).toEqual(["opened", "changed", "changed"]);
    expect(told).toEqual(["moved no such folder"]);
    disk.opens = true;
    log.append({ event: "changed" });
    expect(events(disk.current.text)).toEqual(["opened", "changed"]);
  });

  test("a file that is none is left alone", () => {
    const { disk, log } = world();
    disk.current.text = "listen: 127.0.0.1:50051\ndata-dir: d\n";
    expect(log()).toEqual(err({ message: "what is there already is no audit log" }));
    expect(disk.current.text).toBe("listen: 127.0.0.1:50051\ndata-dir: d\n");
    expect(goOnAfter({ lines: [], rest: new Uint8Array() })).toEqual({ end: chainStart, torn: undefined, mustEnd: false });
  });
});

describe("whoever changes it later is found out", () => {
  const { disk, opened } = world();
  const log = opened();
  for (let index = 0; index < 5; index += 1) log.append({ event: "changed", principal: "eve", n: index });
  const lines = disk.current.text.split("\n").slice(0, -1);
  const verdictOf = (changed: readonly string[]) => verified(`${changed.join("\n")}\n`);

  test.each([
    { what: "changes a line", changed: lines.with(2, lines[2]?.replace('"eve"', '"ada"') ?? ""), number: 4 },
    { what: "takes a line out", changed: lines.toSpliced(2, 1), number: 3 },
    { what: "puts a line in", changed: lines.toSpliced(2, 0, lines[3] ?? ""), number: 3 },
    { what: "changes their order", changed: lines.with(2, lines[3] ?? "").with(3, lines[2] ?? ""), number: 3 },
    { what: "makes a line unreadable", changed: lines.with(2, "eve was here"), number: 3 },
    {
      what: "takes out what came before",
      changed: lines.with(0, lines[0]?.replace('"sequence":1', '"sequence":0') ?? ""),
      number: 1,
    },
    { what: "takes out the first line", changed: lines.slice(1), number: 1 },
    { what: "leaves the last line only", changed: lines.slice(-1), number: 1 },
    {
      what: "numbers anew what is left",
      changed: [lines.at(-1)?.replace('"sequence":6', '"sequence":1') ?? ""],
      number: 1,
    },
  ])("who $what", ({ changed, number }) => {
    expect(verdictOf(changed)).toMatchObject({ broken: { file: "0", number, why: expect.any(String) } });
  });

  test("who cuts the beginning off while the log goes on", () => {
    const { disk, opened } = world();
    const log = opened();
    log.append({ event: "denied" });
    disk.current.text = "";
    log.append({ event: "changed" });
    expect(verified(disk.current.text)).toMatchObject({ broken: { why: expect.stringMatching(/^lines 1 to 2 are not here/) } });
    const rest = createVerifier(() => undefined);
    expect(rest.finish()).toMatchObject({ verified: { lines: 0, first: undefined } });
  });

  test("whatever byte is another, but in the last line, which the log of the process has the hash of", () => {
    fc.assert(
      fc.property(
        fc.nat(disk.current.text.length - (lines.at(-1)?.length ?? 0) - 2),
        fc.constantFrom("x", "0", " ", "\n"),
        (at, character) => {
          fc.pre(disk.current.text[at] !== character);
          const changed = `${disk.current.text.slice(0, at)}${character}${disk.current.text.slice(at + 1)}`;
          expect(verified(changed)).toHaveProperty("broken");
        },
      ),
    );
  });
});
