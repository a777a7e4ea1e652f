import { afterAll, beforeAll, expect, test } from "vitest";
import { encodePageToken } from "../../src/rpc/page.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { createProtoClient, type Message, type ProtoClient, struct } from "../support/proto-client.ts";
import { until } from "../support/until.ts";

const data = temporaryFolder();
let server: TestServer;
let client: ProtoClient;

const by = { reason: "a test", requested_by: "ada" };
const move = (workflow_id: string, state: string) =>
  client.call("WorkflowService/TransitionWorkflow", { workflow_id, target_state: `WORKFLOW_STATE_${state}`, ...by });

beforeAll(async () => {
  server = await startServer({ dataDir: data.path });
  client = createProtoClient(server.address);
  for (const [index, workflow_id] of ["e", "c", "a", "d", "b"].entries()) {
    const metadata = struct({ site: index % 2 ? "B" : "A", urgent: index === 0, list: [index] });
    await client.call("WorkflowService/CreateWorkflow", { workflow_id, type: index < 3 ? "order" : "", metadata, ...by });
  }
  await move("c", "ACTIVE");
  await move("e", "ACTIVE");
  await move("c", "FAILED");
});

afterAll(async () => {
  client.close();
  await server.stop();
  data.remove();
});

const list = (request: Message): Promise<Message> => client.call("WorkflowService/ListWorkflows", request);
const idsOf = ({ workflows }: Message): string => workflows.map(({ workflow_id }: Message) => workflow_id).join("");

async function pages(request: Message, between = async (_page: number): Promise<void> => {}): Promise<string> {
  let ids = "";
  let page_token = "";
  for (let page = 0; ; page += 1) {
    const answer = await list({ ...request, page_size: 1, page_token });
    ids += idsOf(answer);
    page_token = answer.next_page_token;
    if (page_token === "") return ids;
    await between(page);
  }
}

test.each([
  ["", "abcde"],
  ["id", "abcde"],
  ["id desc", "edcba"],
  ["created_at", "ecadb"],
  ["created_at  asc", "ecadb"],
  ["created_at desc", "bdace"],
  ["updated_at", "adbec"],
  ["updated_at desc", "cebda"],
  ["version", "abdec"],
  ["version desc", "cedba"],
])("order_by %j gives %s, at once and page by page", async (order_by, ids) => {
  const answer = await list({ order_by });
  expect([idsOf(answer), answer.scanned, answer.unindexed]).toEqual([ids, false, []]);
  expect(await pages({ order_by })).toBe(ids);
});

test.each(["name", "updated_at down", "updated_at desc desc", "updated_at,id", "workflow_id"])(
  "order_by %j is refused, and what would be right is named",
  async (order_by) => {
    const failure = await client.failure("WorkflowService/ListWorkflows", { order_by });
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", fields: ["order_by"] });
    expect(failure.message).toContain("must be one of id, created_at, updated_at, version");
  },
);

test("a page token is bound to its order", async () => {
  const { next_page_token: page_token } = await list({ page_size: 1, order_by: "version" });
  for (const order_by of ["", "version desc", "updated_at"]) {
    const failure = await client.failure("WorkflowService/ListWorkflows", { page_token, order_by });
    expect(failure).toMatchObject({ fields: ["page_token"] });
  }
});

test("a page token of a later store cannot be gone on with", async () => {
  const { next_page_token } = await list({ page_size: 1, order_by: "version" });
  const text = Buffer.from(next_page_token, "base64url").toString();
  const page_token = encodePageToken('workflows/["version",false]/', `999${text.slice(8)}`);
  const failure = await client.failure("WorkflowService/ListWorkflows", { page_token, order_by: "version" });
  expect(failure).toMatchObject({ code: "ABORTED", reason: "PAGE_TOKEN_EXPIRED", metadata: { limit: "100000" } });
});

test("pages are a snapshot: what moves between them comes once, where it was, and is told as it is", async () => {
  const moved = await pages({ order_by: "updated_at desc", filter: "true" }, async (page) => {
    if (page === 0) await move("a", "ACTIVE");
    if (page === 1) await move("b", "ACTIVE");
    if (page === 2) await client.call("WorkflowService/CreateWorkflow", { workflow_id: "new", ...by });
  });
  expect(moved).toBe("cebda");
  expect(idsOf(await list({ order_by: "updated_at desc", filter: 'workflow.id != "new"' }))).toBe("baced");
});

test.each([
  { filter: 'workflow.state == "FAILED"', unindexed: [] },
  { filter: 'workflow.type == "order" && workflow.state in ["ACTIVE", "FAILED"]', unindexed: [] },
  { filter: 'workflow.created_at > timestamp("2026-01-01T00:00:00Z")', unindexed: [] },
  { filter: 'workflow.id.startsWith("a") && workflow.type == "order"', unindexed: [] },
  { filter: 'workflow.state == "FAILED" && workflow.created_by == "ada"', unindexed: ["workflow.created_by"] },
  { filter: 'workflow.metadata.site == "B"', unindexed: ["workflow.metadata.site"] },
  { filter: 'workflow.state == "FAILED" && size(workflow.metadata) > 1', unindexed: ["*"] },
])("the answer says by what no index led: $filter", async ({ filter, unindexed }) => {
  const { scanned, unindexed: told } = await list({ filter, order_by: "updated_at" });
  expect([scanned, told]).toEqual([unindexed.length > 0, unindexed]);
});

test("counts are kept by state and type, and looked up for all else", async () => {
  const count = (request: Message): Promise<Message> => client.call("WorkflowService/CountWorkflows", request);
  const created = 'workflow.id != "new"';
  expect(await count({})).toMatchObject({ total: String((await list({})).workflows.length), groups: [], from_counters: true });
  expect(await count({ filter: 'workflow.type == "order"', group_by: ["type", "state"] })).toEqual({
    total: "3",
    groups: [
      { type: "order", state: "WORKFLOW_STATE_ACTIVE", metadata: null, count: "2" },
      { type: "order", state: "WORKFLOW_STATE_FAILED", metadata: null, count: "1" },
    ],
    not_grouped: "0",
    scanned: false,
    unindexed: [],
    from_counters: true,
  });
  const bySite = await count({ filter: created, group_by: ["metadata.site"] });
  expect(bySite).toMatchObject({ total: "5", from_counters: false, scanned: true, unindexed: ["workflow.id"] });
  expect(bySite.groups).toMatchObject([
    { type: "", state: "WORKFLOW_STATE_UNSPECIFIED", metadata: struct({ site: "A" }), count: "3" },
    { type: "", state: "WORKFLOW_STATE_UNSPECIFIED", metadata: struct({ site: "B" }), count: "2" },
  ]);
  const { groups, total } = await count({ filter: created, group_by: ["metadata.urgent", "metadata.list", "state"] });
  expect([total, groups.map((group: Message) => group.count).join("")]).toEqual(["5", "2111"]);
  expect(groups.find((group: Message) => group.metadata.fields.urgent?.boolValue === true)).toBeDefined();
  const stats = await client.call("WorkflowService/GetSystemStats", {});
  expect(stats.workflows_by_type).toMatchObject([
    { type: "", state: "WORKFLOW_STATE_CREATED", count: "2" },
    { type: "order", state: "WORKFLOW_STATE_ACTIVE", count: "2" },
    { type: "", state: "WORKFLOW_STATE_ACTIVE", count: "1" },
    { type: "order", state: "WORKFLOW_STATE_FAILED", count: "1" },
  ]);
});

test.each([
  { group_by: ["site"], fields: ["group_by[0]"] },
  { group_by: ["metadata."], fields: ["group_by[0]"] },
  { group_by: ["state", "state"], fields: ["group_by"] },
  { group_by: ["state", "type", "metadata.a", "metadata.b"], fields: ["group_by"] },
])("a count that is wrong is refused: $group_by", async ({ group_by, fields }) => {
  expect(await client.failure("WorkflowService/CountWorkflows", { group_by })).toMatchObject({
    reason: "INVALID_REQUEST",
    fields,
  });
});

test("declared keys of metadata lead by their values, as soon as their index is made", async () => {
  const filter = 'workflow.metadata.site == "B" && workflow.type == "order"';
  const terms = { indexed_metadata: ["site", "urgent"] };
  await client.call("WorkflowService/SetWorkflowTypePolicy", { workflow_type: "order", terms, ...by });
  await until(async () => {
    const { policy } = await client.call("WorkflowService/GetWorkflowTypePolicy", { workflow_type: "order" });
    return policy.metadata_indexes.length === 2 && policy.metadata_indexes.every(({ ready }: Message) => ready);
  }, "the indexes are made");
  const answer = await list({ filter, order_by: "updated_at desc" });
  expect([idsOf(answer), answer.scanned, answer.unindexed]).toEqual(["c", false, []]);
  expect(await list({ filter: 'workflow.metadata.urgent && workflow.type == "order"' })).toMatchObject({ scanned: false });
  // Of workflows of other types nobody has said it.
  expect(await list({ filter: 'workflow.metadata.site == "B"' })).toMatchObject({
    scanned: true,
    unindexed: ["workflow.metadata.site"],
  });
  const { policies } = await client.call("WorkflowService/ListWorkflowTypePolicies", {});
  expect(policies[0].metadata_indexes).toEqual([
    { key: "site", ready: true },
    { key: "urgent", ready: true },
  ]);
});

test.each([
  { indexed_metadata: ["site", "site"], fields: ["terms.indexed_metadata"] },
  { indexed_metadata: ["a.b"], fields: ["terms.indexed_metadata[0]"] },
  { indexed_metadata: Array.from({ length: 17 }, (_, index) => `k${index}`), fields: ["terms.indexed_metadata"] },
])("keys that cannot be indexed are refused: $indexed_metadata", async ({ indexed_metadata, fields }) => {
  const request = { workflow_type: "order", terms: { indexed_metadata }, ...by };
  const failure = await client.failure("WorkflowService/SetWorkflowTypePolicy", request);
  expect(failure).toMatchObject({ reason: "INVALID_REQUEST", fields });
  expect(failure.message).not.toContain("regex");
});
