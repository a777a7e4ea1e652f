import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TwoPhaseCommitDefinition } from "../../../src/gen/concord/commit/v1/two_phase_commit.ts";
import { PredicateLogicDefinition } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { WorkflowServiceDefinition } from "../../../src/gen/concord/workflow/v1/workflow_service.ts";
import { registry } from "../../../src/rpc/descriptors.ts";
import { plainMessage } from "../../../src/rpc/plain-message.ts";
import { InvalidMessage, validatingDecoder } from "../../../src/rpc/validation.ts";
import { canonicalJson } from "../../support/canonical-json.ts";
import { mutations, randomMessage, spoil, tapeOf, tapes } from "../../support/random-message.ts";

// Replay a failure with SEED=n npx vitest run --project property.
const seed = process.env["SEED"];
const runs = { numRuns: 3_000, ...(seed === undefined ? {} : { seed: Number(seed) }) };

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
