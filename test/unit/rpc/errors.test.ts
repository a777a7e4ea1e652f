import fc from "fast-check";
import { ClientError, Status } from "nice-grpc";
import type { RichServerError } from "nice-grpc-error-details";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PredicateLogicDefinition } from "../../../src/gen/concord/predicate/v1/predicate_logic.ts";
import { clientFactory, openChannel } from "../../../src/rpc/clients/channel.ts";
import { clientFailure, invalidRequest, type RpcFailure, rpcError, toServerError } from "../../../src/rpc/errors.ts";
import { failWith, startFakePredicateLogic } from "../../support/fake-predicate-logic.ts";

let fake: Awaited<ReturnType<typeof startFakePredicateLogic>>;
let channel: ReturnType<typeof openChannel>;

beforeAll(async () => {
  fake = await startFakePredicateLogic();
  channel = openChannel(fake.address);
});

afterAll(() => {
  channel.close();
  fake.stop();
});

/** What a caller is told, and how large it was on the wire. */
const sent = (failure: RpcFailure) => sentError(rpcError(failure));

async function sentError(failure: RichServerError) {
  fake.answer = failWith(failure);
  const client = clientFactory.create(PredicateLogicDefinition, channel);
  let trailerBytes = 0;
  const onTrailer = (trailer: { get(key: "grpc-status-details-bin"): Uint8Array | undefined }): void => {
    trailerBytes = Math.ceil(((trailer.get("grpc-status-details-bin")?.length ?? 0) * 4) / 3);
  };
  const error = await client.batchValidateTransitions({ checks: [] }, { onTrailer }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ClientError)) throw new Error("the call succeeded");
  return { told: clientFailure(error), bytes: trailerBytes + encodeURIComponent(error.details).length };
}

test("a failure arrives as it was sent: code, message, reason, metadata, fields, preconditions, delay", async () => {
  const failure: RpcFailure = {
    code: Status.FAILED_PRECONDITION,
    reason: "RULE_DENIED",
    message: "zu warm: 9,5 °C",
    metadata: { workflow_id: "wf-1" },
    retryAfterMs: 1_250,
    fields: [{ field: "a.b[0]", description: "is odd" }],
    preconditions: [{ type: "RULE", subject: "cold", description: "too warm" }],
  };
  expect((await sent(failure)).told).toMatchObject(failure);
});

const text = fc.oneof(fc.string({ maxLength: 3_000, unit: "grapheme" }), fc.string({ maxLength: 40 }));
const preconditions = fc.array(
  fc.record({ type: fc.constant("RULE"), subject: fc.string({ maxLength: 128 }), description: text }),
  { maxLength: 200 },
);

test("whatever is denied, by however many rules, the failure fits into the 8 KiB of trailers that every client accepts", async () => {
  await fc.assert(
    fc.asyncProperty(text, preconditions, async (message, violations) => {
      const { told, bytes } = await sent({
        code: Status.FAILED_PRECONDITION,
        reason: "RULE_DENIED",
        message,
        preconditions: violations,
      });
      expect(bytes).toBeLessThan(8_192);
      expect(told.reason).toBe("RULE_DENIED");
      expect(told.preconditions.length).toBeGreaterThanOrEqual(Math.min(1, violations.length));
      for (const [index, { subject, description }] of told.preconditions.entries()) {
        expect(subject).toBe(violations[index]?.subject);
        if (description !== violations[index]?.description)
          expect(violations[index]?.description).toContain(description.replace(/…$/, ""));
      }
    }),
    { numRuns: 60 },
  );
});

test("of many violations the first are told, and how many more there are", async () => {
  const many = Array.from({ length: 5_000 }, (_, index) => ({ field: `enlist[${index}].participant_id`, description: "is odd" }));
  const failure = invalidRequest(many);
  const { told, bytes } = await sentError(failure);
  expect(bytes).toBeLessThan(8_192);
  expect(told.fields.slice(0, 2)).toMatchObject(many.slice(0, 2));
  expect(told.message).toMatch(/^enlist\[0\]\.participant_id: is odd; .*; and 49\d\d more$/);
});

test("a violation deep in a Struct whose keys are long is told, shortened", async () => {
  const { told, bytes } = await sentError(invalidRequest([{ field: `context.${"é".repeat(30_000)}`, description: "is odd" }]));
  expect(bytes).toBeLessThan(8_192);
  expect(told.fields).toMatchObject([{ field: expect.stringMatching(/^context\.é+…$/), description: "is odd" }]);
});

test("an unknown error tells its caller nothing", () => {
  const error = toServerError(new Error("SQLITE_CORRUPT at /secret/path"));
  expect(error).toMatchObject({ code: Status.INTERNAL, details: "internal error; the server's log has the cause" });
});
