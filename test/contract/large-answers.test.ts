import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerBytesMax, structValueCountMax } from "../../src/kernel/limits.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, methodOf, type ProtoClient, type RpcName, struct } from "../support/proto-client.ts";

const data = temporaryFolder();
let server: TestServer;
/** As any other client, it reads 4 MiB at most. */
let client: ProtoClient;

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

/** So many characters, of four bytes each. */
const long = (count: number): string => "😀".repeat(count);

/** As many values as are allowed, which take most bytes on the wire, in as much text as is allowed. */
const largestMetadata = struct({ n: Array.from({ length: structValueCountMax - 2 }, () => "x".repeat(10)) });

const by = { reason: long(1000), requested_by: long(256) };

async function pagesOf(rpc: RpcName, items: string): Promise<readonly Message[]> {
  const pages: Message[] = [];
  let page_token = "";
  do {
    const bytes = await client.bytes(rpc, { page_size: 1000, page_token });
    expect(bytes.length).toBeLessThan(answerBytesMax);
    const page = methodOf(rpc).responseDeserialize(bytes);
    pages.push(page[items]);
    page_token = page.next_page_token;
  } while (page_token !== "");
  return pages;
}

describe("a list of the largest resources has pages that every client reads, and all of them", () => {
  test("ListWorkflows, ListWorkflowEvents", async () => {
    const ids = Array.from({ length: 60 }, (_, index) => `w-${String(index).padStart(2, "0")}`);
    for (const workflow_id of ids) {
      await client.call("WorkflowService/CreateWorkflow", { workflow_id, metadata: largestMetadata, ...by });
    }
    for (const [rpc, items] of [
      ["WorkflowService/ListWorkflows", "workflows"],
      ["WorkflowService/ListWorkflowEvents", "events"],
    ] as const) {
      const pages = await pagesOf(rpc, items);
      expect(pages.length).toBeGreaterThan(1);
      expect(pages.flat().map(({ workflow_id }: Message) => workflow_id)).toEqual(ids);
    }
  });

  test("ListRules", async () => {
    const ids = Array.from({ length: 90 }, (_, index) => `r-${String(index).padStart(3, "0")}`);
    const texts = { expression: `'${long(4087)}' != ''`, message: `'${long(4094)}'`, description: long(1000) };
    for (const rule_id of ids) await client.call("PredicateLogic/CreateRule", { rule_id, ...texts, ...by });
    const pages = await pagesOf("PredicateLogic/ListRules", "rules");
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat().map(({ rule_id }: Message) => rule_id)).toEqual(ids);
  });

  test("ListTransactions", async () => {
    const participants = Array.from({ length: 64 }, (_, index) => ({ participant_id: `p${index}`.padEnd(128, "x") }));
    const ids: string[] = [];
    for (let count = 0; count < 300; count += 1) {
      const { transaction } = await client.call("TwoPhaseCommit/ExecuteTransaction", { participants, ...by });
      ids.unshift(transaction.transaction_id);
    }
    const pages = await pagesOf("TwoPhaseCommit/ListTransactions", "transactions");
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat().map(({ transaction_id }: Message) => transaction_id)).toEqual(ids);
  });
});
