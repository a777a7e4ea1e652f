import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { registry } from "../../../src/rpc/descriptors.ts";
import { createReflection, reflectionDefinition } from "../../../src/rpc/reflection.ts";

const { requestDeserialize } = reflectionDefinition("grpc.reflection.v1.ServerReflection").serverReflectionInfo;
const reflection = createReflection(["concord.workflow.v1.WorkflowService"]);

const text = (field: number, value: string) => new BinaryWriter().tag(field, WireType.LengthDelimited).string(value).finish();
const extension = (type: string, number: number) => {
  const writer = new BinaryWriter().tag(5, WireType.LengthDelimited).fork().raw(text(1, type));
  return writer.tag(2, WireType.Varint).int32(number).join().finish();
};

/** The fields of a message by their numbers. */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, readonly (Uint8Array | number)[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Uint8Array | number)[]>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const value = wireType === WireType.Varint ? reader.int32() : reader.bytes();
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const inside = (fields: ReturnType<typeof fieldsOf>, field: number) => fieldsOf(fields.get(field)?.[0] as Uint8Array);

async function ask(request: Uint8Array): Promise<ReturnType<typeof fieldsOf>> {
  async function* requests() {
    yield requestDeserialize(Buffer.from(request));
  }
  const context = { signal: new AbortController().signal } as Parameters<typeof reflection.serverReflectionInfo>[1];
  for await (const answer of reflection.serverReflectionInfo(requests(), context)) {
    const fields = fieldsOf(answer);
    expect(Buffer.from(fields.get(2)?.[0] as Uint8Array).equals(request), "repeats the request").toBe(true);
    return fields;
  }
  throw new Error("nothing was answered");
}

const fileOf = (fields: ReturnType<typeof fieldsOf>) =>
  fromBinary(FileDescriptorProtoSchema, inside(fields, 4).get(1)?.[0] as Uint8Array);

test("the services are listed", async () => {
  const service = inside(inside(await ask(text(7, "*")), 6), 1);
  expect(new TextDecoder().decode(service.get(1)?.[0] as Uint8Array)).toBe("concord.workflow.v1.WorkflowService");
});

test.each([
  ["concord.workflow.v1.WorkflowService", "concord/workflow/v1/workflow_service.proto"],
  ["concord.workflow.v1.WorkflowService.CreateWorkflow", "concord/workflow/v1/workflow_service.proto"],
  ["concord.workflow.v1.WorkflowState", "concord/workflow/v1/workflow.proto"],
  [".concord.workflow.v1.WorkflowState", "concord/workflow/v1/workflow.proto"],
  ["concord.workflow.v1.WORKFLOW_STATE_CREATED", "concord/workflow/v1/workflow.proto"],
  ["concord.workflow.v1.Workflow.retry_count", "concord/workflow/v1/workflow.proto"],
  ["concord.workflow.v1.WatchWorkflowEventsRequest.start", "concord/workflow/v1/workflow_service.proto"],
  ["google.protobuf.FieldDescriptorProto.Type", "google/protobuf/descriptor.proto"],
  ["google.api.http", "google/api/annotations.proto"],
])("the file that has %s is served with its comments", async (symbol, name) => {
  const file = fileOf(await ask(text(4, symbol)));
  expect(file.name).toBe(name);
  expect(file.sourceCodeInfo?.location.some(({ leadingComments }) => leadingComments !== "")).toBe(true);
  expect(fileOf(await ask(text(3, name)))).toEqual(file);
});

test("extensions are found by their types", async () => {
  const type = "google.protobuf.MethodOptions";
  const numbers = inside(await ask(text(6, type)), 5).get(2) as readonly number[];
  expect(numbers).toContain(72_295_728);
  expect(fileOf(await ask(extension(type, 72_295_728))).name).toBe("google/api/annotations.proto");
});

test.each([
  ["file", text(3, "none.proto"), 5],
  ["symbol", text(4, "concord.workflow.v1.WorkflowService.Lunch"), 5],
  ["symbol without a package", text(4, "Lunch"), 5],
  ["symbol without a name", text(4, ""), 5],
  ["field", text(4, "concord.workflow.v1.Workflow.lunch"), 5],
  ["value of an enum", text(4, "concord.workflow.v1.WORKFLOW_STATE_LUNCH"), 5],
  ["extension", extension("google.protobuf.MethodOptions", 1), 5],
  ["extension of what is no message", extension("Lunch", 1), 5],
  ["extended type", text(6, "Lunch"), 5],
  ["question", text(1, "host"), 12],
])("no such %s", async (_what, request, code) => {
  expect(inside(await ask(request), 7).get(1)).toEqual([code]);
});

test("comments are served, and not kept as objects", () => {
  const files = [...registry.files];
  expect(files.length).toBeGreaterThan(20);
  expect(files.filter(({ proto }) => proto.sourceCodeInfo !== undefined)).toEqual([]);
});
