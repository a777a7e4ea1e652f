import { expect, test } from "vitest";
import { CircuitOpenError, createCircuit, failuresToOpen, openMs } from "../../../src/rpc/clients/circuit.ts";

const away = new Error("away");
const refused = new Error("refused");
const fail = (error: Error) => () => Promise.reject(error);
const answer = () => Promise.resolve("answer");

function world() {
  let nowMs = 0;
  const said: string[] = [];
  const through = createCircuit({
    clock: { monotonicMs: () => nowMs },
    isFailure: (error) => error === away,
    onOpened: () => said.push("opened"),
    onClosed: () => said.push("closed"),
  });
  return {
    through,
    said,
    pass: (ms: number): void => {
      nowMs += ms;
    },
    async failOften(times: number): Promise<void> {
      for (let time = 0; time < times; time += 1) await expect(through(fail(away))).rejects.toBe(away);
    },
  };
}

test("it opens after so many failures in a row, and then asks nobody", async () => {
  const { through, said, failOften } = world();
  await failOften(failuresToOpen - 1);
  expect(await through(answer)).toBe("answer");
  await failOften(failuresToOpen);
  let asked = false;
  const call = async (): Promise<void> => {
    asked = true;
  };
  await expect(through(call)).rejects.toBeInstanceOf(CircuitOpenError);
  expect([asked, said]).toEqual([false, ["opened"]]);
});

test("what is wrong with a question is no failure, and between failures it is no answer either", async () => {
  const { through, said, failOften } = world();
  for (let time = 0; time < 2 * failuresToOpen; time += 1) await expect(through(fail(refused))).rejects.toBe(refused);
  await failOften(failuresToOpen - 1);
  await expect(through(fail(refused))).rejects.toBe(refused);
  await failOften(1);
  expect(said).toEqual(["opened"]);
});

test("after a while one tries again, and whoever comes meanwhile shares its luck", async () => {
  const { through, said, pass, failOften } = world();
  await failOften(failuresToOpen);
  pass(openMs - 1);
  await expect(through(answer)).rejects.toBeInstanceOf(CircuitOpenError);
  pass(1);
  const first = Promise.withResolvers<string>();
  const trial = through(() => first.promise);
  const others = [through(answer), through(answer)].map((other) => other.catch((error: unknown) => error));
  first.reject(away);
  await expect(trial).rejects.toBe(away);
  for (const other of others) expect(await other).toBeInstanceOf(CircuitOpenError);
  pass(openMs);
  const second = Promise.withResolvers<string>();
  const again = through(() => second.promise);
  const third = through(answer);
  second.resolve("back");
  expect([await again, await third]).toEqual(["back", "answer"]);
  expect(said).toEqual(["opened", "closed"]);
});

test("a call from before that fails late does not keep it open for longer, and one that succeeds closes it", async () => {
  const { through, said, pass, failOften } = world();
  const [late, good] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const [one, other] = [through(() => late.promise), through(() => good.promise)];
  await failOften(failuresToOpen);
  pass(openMs - 1);
  late.reject(away);
  await expect(one).rejects.toBe(away);
  pass(1);
  expect(await through(answer)).toBe("answer");
  await failOften(failuresToOpen);
  good.resolve("answer");
  await other;
  expect(await through(answer)).toBe("answer");
  expect(said).toEqual(["opened", "closed", "opened", "closed"]);
});
