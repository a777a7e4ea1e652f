import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TwoPhaseCommitDefinition } from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { registry } from "../../../src/rpc/descriptors.ts";
import { ordinaryMessage } from "../../../src/rpc/ordinary-message.ts";
import { plainMessage } from "../../../src/rpc/plain-message.ts";
import { InvalidMessage, libraryDecoder, validatingDecoder } from "../../../src/rpc/validation.ts";
import { wireWalk } from "../../../src/rpc/wire-format.ts";
import { canonicalJson } from "../../support/canonical-json.ts";
import { mutations, oneOf, randomMessage, spoil, tapeOf, tapes, type Vocabulary, wild } from "../../support/random-message.ts";

// Replay a failure with SEED=n npx vitest run --project property.
const runs = { numRuns: 3_000 };

/** What mostly keeps to the rules. */
const tame: Vocabulary = {
  ...wild,
  count: ({ fieldKind }, tape) => (fieldKind === "list" || fieldKind === "map" ? tape.below(3) : Math.min(1, tape.below(8))),
  text: (_, tape) => oneOf(["a1", "b", "C_2"], tape),
  integer: (_, tape) => oneOf([1n, 2n, 3n], tape),
  double: (tape) => oneOf([0, 1, 0.5], tape),
};

type Generated = { readonly decode: (bytes: Uint8Array) => unknown };

const requests = [WorkflowServiceDefinition, PredicateLogicDefinition, TwoPhaseCommitDefinition].flatMap((definition) =>
  Object.values(definition.methods as Readonly<Record<string, { readonly name: string; readonly requestType: Generated }>>).map(
    ({ name, requestType }) => {
      const method = registry.getService(definition.fullName)?.methods.find((candidate) => candidate.name === name);
      if (method === undefined) throw new Error(`no descriptor of ${name}`);
      return { typeName: method.input.typeName, descriptor: method.input, generated: requestType };
    },
  ),
);

describe.each(requests)("$typeName", ({ descriptor, generated }) => {
  const decode = validatingDecoder(descriptor);
  const toPlain = plainMessage(descriptor);

  test("what is well-formed becomes what the generated decoder makes of it, every key of a map included", () => {
    fc.assert(
      fc.property(tapes, (tape) => {
        const bytes = randomMessage(descriptor, tapeOf(tape));
        const plain = toPlain(fromBinary(descriptor, bytes));
        const expected = generated.decode(bytes) as object;
        expect(plain).toEqual(expected);
        // Equality passes over a key "__proto__"; the text does not.
        expect(canonicalJson(plain)).toBe(canonicalJson(expected));
      }),
      runs,
    );
  });

  const readOrdinary = ordinaryMessage(descriptor);
  const readAny = libraryDecoder(descriptor);
  const walk = wireWalk(descriptor);
  const passes = (bytes: Uint8Array): boolean => {
    try {
      return walk(bytes).excess === undefined;
    } catch {
      return false;
    }
  };

  test("an ordinary message is one that the libraries let pass, and what they make of it", () => {
    fc.assert(
      fc.property(tapes, fc.constantFrom(wild, tame), fc.option(mutations), (tape, words, changes) => {
        const bytes = spoil(randomMessage(descriptor, tapeOf(tape), 0, words), changes ?? []);
        const ordinary = passes(bytes) ? readOrdinary(bytes) : undefined;
        if (ordinary === undefined) return;
        const expected = readAny(bytes);
        expect(expected).not.toBeInstanceOf(InvalidMessage);
        expect(ordinary).toEqual(expected);
        expect(canonicalJson(ordinary)).toBe(canonicalJson(expected));
      }),
      runs,
    );
  });

  test("what people say is ordinary", () => {
    fc.assert(
      fc.property(tapes, (tape) => {
        const bytes = randomMessage(descriptor, tapeOf(tape), 0, tame);
        if (!(readAny(bytes) instanceof InvalidMessage)) expect(readOrdinary(bytes)).toBeDefined();
      }),
      runs,
    );
  });

  test("bytes of any kind are refused or understood alike; nothing is thrown", () => {
    fc.assert(
      fc.property(tapes, mutations, (tape, changes) => {
        const bytes = spoil(randomMessage(descriptor, tapeOf(tape)), changes);
        const decoded = decode(bytes);
        if (!(decoded instanceof InvalidMessage)) generated.decode(bytes);
      }),
      runs,
    );
  });
});
