import { describe, expect, test } from "vitest";
import { generate } from "../../../../scripts/mutants/generate.ts";
import { instrument } from "../../../../scripts/mutants/instrument.ts";

/** Each mutant as one line. */
const mutantsOf = (text: string): readonly string[] =>
  generate("a.ts", text).all.map(({ kind, before, after }) => `${kind}: ${before} → ${after}`);

describe("the generator finds", () => {
  test("an await that is dropped, and what it waits for", () => {
    expect(mutantsOf("async function vote() { await log.persist(record); }")).toEqual([
      "dropped await: await log.persist(record) → log.persist(record)",
      "dropped effect: await log.persist(record); → nothing",
    ]);
  });

  test("no await whose value is used: what is left would be of another type", () => {
    expect(mutantsOf("async function read() { const row = await log.read(id); return row; }")).toEqual([]);
    expect(mutantsOf("async function read() { return await log.read(id); }")).toEqual([]);
  });

  test("what is answered within a `try` before it has failed, which nobody catches then", () => {
    expect(mutantsOf("async function read() { try { return await log.read(id); } catch { return gone; } }")).toEqual([
      "dropped await: await log.read(id) → log.read(id)",
    ]);
  });

  test("statements in the other order: a vote before its promise is durable", () => {
    expect(mutantsOf("async function vote() { await log.persist(record); send(yes); }")).toContain(
      "swapped order: await log.persist(record); send(yes); → send(yes); await log.persist(record);",
    );
  });

  test("no other order of statements that need each other, or that nobody can tell apart", () => {
    const mutants = mutantsOf("function run() { const box = open(); use(box); a = 2; b = 3; list.push(c); map.delete(d); }");
    expect(mutants.filter((mutant) => mutant.startsWith("swapped"))).toEqual([
      "swapped order: use(box); a = 2; → a = 2; use(box);",
    ]);
  });

  test("no other order of what is only made to be called later, and of what is found by another name", () => {
    const text =
      "function run() { signal.listen(end); const say = (word: string) => log(word); counts[run.kind] -= 1; list.push(run); first.core = next; const at = effects.findIndex(isForced); place = Number(items.rows.at(-1)); more = items.isCut; }";
    expect(mutantsOf(text).filter((mutant) => mutant.startsWith("swapped"))).toEqual([]);
    const made = "function run() { signal.listen(end); const say = wordsOf(language); }";
    expect(mutantsOf(made).filter((mutant) => mutant.startsWith("swapped"))).toHaveLength(1);
  });

  test("effects of a list that are missing or in the other order: a decision that is told before it is forced", () => {
    expect(mutantsOf("const effects = [{ type: 'persist' }, { type: 'send' }];")).toEqual([
      "dropped effect: { type: 'persist' } → nothing",
      "swapped order: { type: 'persist' }, { type: 'send' } → { type: 'send' }, { type: 'persist' }",
      "dropped effect: { type: 'send' } → nothing",
    ]);
  });

  test("a batch that is written in two: a fence that is asked in a write of its own", () => {
    expect(mutantsOf("const done = engine.apply([fence(epoch), put(record)]);")).toContain(
      "split write: engine.apply([fence(epoch), put(record)]) → engine.apply([fence(epoch)]).then(() => engine.apply([put(record)]))",
    );
  });

  test("a batch that is made elsewhere, in two: a workflow without its event", () => {
    expect(mutantsOf("const done = engine.apply(statementsOf(batch));")).toEqual([
      "split write: engine.apply(statementsOf(batch)) → ((all) => engine.apply(all.slice(0, 1)).then(() => engine.apply(all.slice(1))))(statementsOf(batch))",
    ]);
  });

  test("an effect that has a name already, beside one that is made: a vote before its promise is forced", () => {
    expect(mutantsOf("const stays = stay(prepared, [forced, voteEffect(prepared)]);")).toEqual(
      expect.arrayContaining([
        "dropped effect: forced → nothing",
        "swapped order: forced, voteEffect(prepared) → voteEffect(prepared), forced",
      ]),
    );
    expect(mutantsOf("const row = [id, name];")).toEqual([]);
    // Types are gone when it runs.
    const alike = "const [names, moves, ends] = [index<string>(), index<Move>(), index(3)];";
    expect(mutantsOf(alike).filter((told) => told.startsWith("swapped"))).toEqual([
      "swapped order: index<Move>(), index(3) → index(3), index<Move>()",
    ]);
    expect(mutantsOf("const functions = [celFunc('a'), celFunc('b')];").filter((told) => told.startsWith("swapped"))).toEqual([]);
  });

  test("an entry that is never removed", () => {
    expect(mutantsOf("function end() { prepares.delete(id); }")).toEqual(["dropped effect: prepares.delete(id); → nothing"]);
  });

  test("conditions that always or never hold, or the other way round", () => {
    expect(mutantsOf("if (isLeaving(link)) refuse();")).toEqual(
      expect.arrayContaining([
        "negated condition: isLeaving(link) → !(isLeaving(link))",
        "constant condition: isLeaving(link) → true",
        "constant condition: isLeaving(link) → false",
      ]),
    );
  });

  test("a turn that is not waited for, but not one that nobody has to wait for", () => {
    expect(mutantsOf("async function f() { const pause = breathe(); if (pause !== undefined) await pause; }")).toEqual([
      "constant condition: pause !== undefined → false",
      "changed comparison: pause !== undefined → pause === undefined",
      "dropped await: await pause → pause",
      "dropped effect: await pause; → nothing",
    ]);
  });

  test("a condition of several that is not judged", () => {
    expect(mutantsOf("const stale = isHeld(row) || version !== expected;")).toEqual([
      "dropped condition: isHeld(row) || version !== expected → version !== expected",
      "dropped condition: isHeld(row) || version !== expected → isHeld(row)",
      "changed operator: isHeld(row) || version !== expected → (isHeld(row)) && (version !== expected)",
      "changed comparison: version !== expected → version === expected",
    ]);
  });

  test("none of those before what the compiler refuses without it", () => {
    const kept = (condition: string) =>
      mutantsOf(`const is = ${condition};`).filter((told) => told.startsWith("dropped condition"));
    expect(kept("type.kind === 'list' && type.element === other")).toEqual([
      "dropped condition: type.kind === 'list' && type.element === other → type.kind === 'list'",
    ]);
    expect(kept("expr.case !== 'call' || expr.value.name !== 'size'")).toHaveLength(1);
    expect(kept("known === undefined || known.domain === domain")).toHaveLength(1);
    // Of another one it says nothing.
    expect(kept("left.kind === 'null' && mayBeNull(right)")).toHaveLength(2);
  });

  test("a bound that is one off, another constant, a maximum that is a minimum, a value that is ignored", () => {
    expect(mutantsOf("const next = attempts < limit ? Math.max(seen, epoch) : (known ?? 0);")).toEqual([
      "negated condition: attempts < limit → !(attempts < limit)",
      "constant condition: attempts < limit → true",
      "constant condition: attempts < limit → false",
      "changed comparison: attempts < limit → attempts <= limit",
      "changed operator: Math.max(seen, epoch) → Math.min(seen, epoch)",
      "changed operator: Math.max(seen, epoch) → seen",
      "changed operator: Math.max(seen, epoch) → epoch",
      "changed operator: known ?? 0 → 0",
      "changed constant: known ?? 0 → 1",
    ]);
  });

  test("a bound that is one more, a time that is twice as long, another default, and what is compared with", () => {
    expect(mutantsOf("const participantCountMax = 64; const prepareTimeoutMs = 10_000; const names = list(2);")).toEqual([
      "changed constant: participantCountMax = 64 → 64 + 1",
      "changed constant: prepareTimeoutMs = 10_000 → 10_000 * 2",
    ]);
    expect(mutantsOf("const isWhole = n === 1e21;").filter((told) => told.startsWith("changed constant"))).toEqual([]);
    // A test that counts to a thousand is rare, and one unit of a cost is nothing.
    expect(mutantsOf("const pairsMax = 5_000; const regexCostMax = 200; const isLarge = n > 5_000;")).toEqual([
      "changed constant: pairsMax = 5_000 → 5_000 * 2",
      "changed constant: regexCostMax = 200 → 200 * 2",
      "changed comparison: n > 5_000 → n >= 5_000",
      "changed constant: n > 5_000 → 5_000 + 1",
    ]);
    expect(mutantsOf("function page(limit = 100) { return limit; }")).toEqual(["changed constant: limit = 100 → 100 + 1"]);
    expect(mutantsOf("const isOdd = tries === 8;")).toContain("changed constant: tries === 8 → 8 + 1");
  });

  test("what is added instead of taken away, one at a time too; but no texts", () => {
    expect(mutantsOf("room += size; room -= count; text += 'a'; next = version + 1; name = first + last;")).toEqual(
      expect.arrayContaining([
        "changed operator: room += size → room -= size",
        "changed operator: room -= count → room += count",
        "changed operator: version + 1 → version - 1",
      ]),
    );
    expect(mutantsOf("text += 'a'; name = first + last;").filter((told) => told.startsWith("changed"))).toEqual([]);
  });

  test("what is answered the other way round, all for one, another end of a list", () => {
    expect(mutantsOf("const isOver = !runs.has(id); const all = votes.every(isYes); const next = queue.shift();")).toEqual([
      "negated condition: !runs.has(id) → !!runs.has(id)",
      "changed method: votes.every(isYes) → votes.some(isYes)",
      "changed method: queue.shift() → queue.pop()",
    ]);
  });

  test("what is not chosen, not cut, not put in order; but nothing that the compiler asks for", () => {
    expect(mutantsOf("const rows = all.filter(isDue).toSorted(byAge).slice(0, count);")).toContain(
      "dropped method: all.filter(isDue).toSorted(byAge).slice(0, count) → all.filter(isDue).toSorted(byAge)",
    );
    expect(
      mutantsOf("const rows = all.filter((row) => row !== undefined);").filter((told) => told.startsWith("dropped")),
    ).toEqual([]);
  });

  test("an early end, and what is spread into an object", () => {
    const mutants = mutantsOf("function post() { if (broken) { log(); return; } put({ ...(owner && { owner }), id }); }");
    expect(mutants).toContain("dropped return: return; → nothing");
    expect(mutants).toContain("dropped column: ...(owner && { owner }) → nothing");
  });

  test("what an SQL text no longer selects, keeps or orders", () => {
    const ofUpdate = mutantsOf('const sql = "UPDATE holds SET a = ? WHERE b = ? AND c >= ?";').map(
      (told) => told.split(" → ")[1],
    );
    expect(ofUpdate).toEqual([
      '"UPDATE holds SET a = ? WHERE (b = ? OR 1) AND c >= ?"',
      'lds SET a = ? WHERE b = ? AND (c >= ? OR 1)"',
      '"UPDATE holds SET a = iif(1, a, ?) WHERE b = ? AND c >= ?"',
      's SET a = ? WHERE b = ? AND c > ?"',
      'E holds SET a = ? WHERE b = ? OR c >= ?"',
    ]);
    expect(mutantsOf("const sql = `SELECT id FROM a ORDER BY b`;")).toContain(
      "swapped order: `SELECT id FROM a ORDER BY b` → `SELECT id FROM a ORDER BY b DESC`",
    );
    expect(mutantsOf('const sql = "SELECT max(id) FROM a WHERE NOT gone LIMIT ?";')).toEqual([
      'negated condition: "SELECT max(id) FROM a WHERE NOT gone LIMIT ?" → "SELECT max(id) FROM a WHERE gone LIMIT ?"',
      'changed operator: "SELECT max(id) FROM a WHERE NOT gone LIM → "SELECT min(id) FROM a WHERE NOT gone LIM',
      'changed constant: ) FROM a WHERE NOT gone LIMIT ?" → ) FROM a WHERE NOT gone LIMIT ? + 1"',
    ]);
    expect(mutantsOf("db.exec(`CREATE TABLE a (n INTEGER CHECK (n > 0)); UPDATE a SET n = n + 1;`);")).toEqual([
      "dropped effect: db.exec(`CREATE TABLE a (n INTEGER CHECK (n > 0)); UPDATE a SET n = n + 1;`); → nothing",
      "changed operator: (n > 0)); UPDATE a SET n = n + 1;` → (n > 0)); UPDATE a SET n = n - 1;`",
    ]);
    expect(mutantsOf('db.exec("PRAGMA synchronous = FULL");')).toContain(
      'changed constant: "PRAGMA synchronous = FULL" → "PRAGMA synchronous = NORMAL"',
    );
  });

  test("nothing in types, in what is logged, in what is asserted, and in the schema of tables", () => {
    expect(mutantsOf("type Limit = 0 | 1; let a: Array<0> = b as 1;")).toEqual([]);
    expect(mutantsOf('logger.warn({ n: 0 }, "slow"); assert(votes.length > 0); unreachable(x && y);')).toEqual([]);
    expect(mutantsOf('if (waited > 1_000) logger.warn({ waited }, "slow");')).toEqual([]);
    expect(mutantsOf('if (a < b) { const late = all.filter(isLate); logger.warn({ late }, "late"); }')).toEqual([]);
    expect(mutantsOf('const sql = "SELECT 1; CREATE INDEX b ON a (id) WHERE c > 2 AND d IS NULL";')).toEqual([]);
  });
});

describe("the code with its mutants in it", () => {
  /** What the function `f` of a text answers, if the mutant that is told so is tried. */
  function run(text: string, told?: string): unknown {
    const mutants = generate("a.ts", text);
    const active = mutants.all.findIndex(({ kind, before, after }) => `${kind}: ${before} → ${after}` === told);
    if (told !== undefined && active === -1) throw new Error(`no such mutant: ${told}`);
    const changed = instrument(text, mutants, (mutant) => mutants.all.indexOf(mutant));
    const body = changed.replace("globalThis.__mutant", "asked");
    return new Function("asked", `${body}; return f();`)((id: number) => id === active);
  }

  const list = "function f() { const a = []; a.push(1); a.push(2); a.push(3); return a.join(''); }";

  test("is the code, when none is tried", () => {
    expect(run(list)).toBe("123");
  });

  test("does what one mutant does, though its neighbours are changed too", () => {
    expect(run(list, "dropped effect: a.push(2); → nothing")).toBe("13");
    expect(run(list, "swapped order: a.push(1); a.push(2); → a.push(2); a.push(1);")).toBe("213");
    expect(run(list, "swapped order: a.push(2); a.push(3); → a.push(3); a.push(2);")).toBe("132");
  });

  test("ends where nothing is there, as it stands", () => {
    const text = "function f() { const a = undefined; return a?.slice(1).filter(Boolean).every(Number); }";
    expect(run(text)).toBeUndefined();
    const sorted = "function f() { const a = [0, 2, 1]; return a?.slice(1).sort(); }";
    expect([run(sorted), run(sorted, "dropped method: a?.slice(1).sort() → a?.slice(1)")]).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });

  test("keeps what follows an `if` with it", () => {
    const text = "function f() { let n = 5; if (n > 7) n = 2; else n = 3; return n; }";
    expect(run(text)).toBe(3);
    expect(run(text, "dropped effect: n = 3; → nothing")).toBe(5);
    expect(run(text, "constant condition: n > 7 → true")).toBe(2);
  });
});
