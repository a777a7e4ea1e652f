// Makes the OpenAPI description of the HTTP interface from the contract, and writes it to the file that is named.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DescEnum, DescMessage } from "@bufbuild/protobuf";
import { statusOfReason } from "../src/http/problem-status.ts";
import { type HttpRule, httpRules } from "../src/http/rules.ts";
import { commentOf } from "./openapi/comments.ts";
import { operation } from "./openapi/operations.ts";
import { componentName, enumSchema, messageSchema, type Schema, type Use } from "./openapi/schemas.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8")) as { version: string };

const introduction = `What Concord serves over gRPC, as resources and JSON. This description is made from the contract, proto/concord.

Names of fields are as in JSON, \`workflowId\`; requests may have them as in the contract too, \`workflow_id\`, and it is so that its comments,
paths, queries, filters and problems have them. Integers of 64 bits are strings in answers; in requests they may be numbers. What an answer has no
value for is there with its zero, \`""\`, \`0\`, \`[]\`, except objects, which are left out. A field that is not known is refused.

Every failure is a problem (RFC 9457) with the reason that it has over gRPC. docs/http.md says more: deadlines, streams, browsers.`;

const uses = new Map<string, { readonly descriptor: DescMessage; use: Use }>();
const enums = new Map<string, DescEnum>();

function use(descriptor: DescMessage, as: "request" | "response"): void {
  if (descriptor.typeName.startsWith("google.protobuf.")) return;
  const known = uses.get(descriptor.typeName);
  if (known?.use === as || known?.use === "both") return;
  uses.set(descriptor.typeName, { descriptor, use: known === undefined ? as : "both" });
  for (const field of descriptor.fields) {
    if (field.enum !== undefined) enums.set(field.enum.typeName, field.enum);
    if (field.message !== undefined) use(field.message, as);
  }
}

/** Of each request that is a body, the fields that stand in its paths. */
const inPaths = new Map<string, Set<string>>();

for (const { method, hasBody, segments } of httpRules) {
  use(method.output, "response");
  const variables = segments.flatMap((segment) => ("field" in segment ? [segment.field] : []));
  if (hasBody) {
    use(method.input, "request");
    inPaths.set(method.input.typeName, new Set(variables.map(({ name }) => name)));
  }
  for (const field of method.input.fields) if (field.enum !== undefined) enums.set(field.enum.typeName, field.enum);
}

const schemas: Record<string, Schema> = {};

function define(descriptor: DescMessage | DescEnum, schema: Schema): void {
  const name = componentName(descriptor);
  if (name in schemas) throw new Error(`two types are named ${name}; ${descriptor.typeName} is one of them`);
  schemas[name] = schema;
}

for (const { descriptor, use: usedAs } of uses.values()) {
  define(descriptor, messageSchema(descriptor, usedAs, inPaths.get(descriptor.typeName) ?? new Set()));
}
for (const descriptor of enums.values()) define(descriptor, enumSchema(descriptor));

const violation = (names: readonly string[]): Schema => ({
  type: "array",
  items: { type: "object", properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])), required: names },
});

function reasons(): string {
  const byStatus = Map.groupBy(Object.entries(statusOfReason), ([, status]) => status);
  const lines = [...byStatus]
    .toSorted(([one], [other]) => one - other)
    .map(([status, entries]) => `- ${status}: ${entries.map(([reason]) => reason).join(", ")}`);
  const first = "A name of concord.error.v1.ErrorReason without its prefix: what programs branch on. The status goes with it:";
  return [first, ...lines].join("\n");
}

schemas["Problem"] = {
  type: "object",
  description: "A failure, as RFC 9457 has it, with what it says over gRPC.",
  properties: {
    type: { type: "string", description: "`urn:concord:error:` and the reason; `about:blank` if the status says all." },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string", description: "For people." },
    reason: { type: "string", description: reasons() },
    code: { type: "string", description: "The status code of gRPC, by its name." },
    metadata: { type: "object", additionalProperties: { type: "string" }, description: "Of the reason; ErrorReason says which." },
    fieldViolations: { ...violation(["field", "description"]), description: "Fields that are wrong, and what would be right." },
    preconditionViolations: {
      ...violation(["type", "subject", "description"]),
      description: "What stands against it: rules (`RULE`), participants, tests.",
    },
    retryAfterSeconds: { type: "number", description: "When a retry may help; also the header Retry-After, in whole seconds." },
    requestId: { type: "string", description: "In the server's log, the id of this request; also the header X-Request-Id." },
  },
  required: ["type", "title", "status", "detail", "requestId"],
};
schemas["Health"] = {
  type: "object",
  properties: {
    status: { enum: ["SERVING", "NOT_SERVING"] },
    services: { type: "object", additionalProperties: { enum: ["SERVING", "NOT_SERVING"] } },
    peers: {
      type: "object",
      description: "Services that others serve and this process needs, by full name; left out if it needs none.",
      additionalProperties: {
        type: "object",
        properties: {
          address: { type: "string" },
          status: { enum: ["THERE", "AWAY", "UNKNOWN"] },
          cause: { type: "string", description: "Why it is away." },
        },
        required: ["address", "status"],
      },
    },
  },
  required: ["status", "services"],
};

const paths: Record<string, Record<string, Schema>> = {};
const seen = new Set<string>();
for (const [place, rules] of Map.groupBy(httpRules, ({ verb, template }) => `${verb} ${template}`)) {
  const [rule] = rules as [HttpRule];
  const main = rules.find(({ method }) => method.methodKind === "unary") ?? rule;
  const isFirst = !seen.has(main.method.parent.typeName + main.method.name);
  seen.add(main.method.parent.typeName + main.method.name);
  const [verb = "", template = ""] = place.split(" ");
  paths[template] = { ...paths[template], [verb.toLowerCase()]: operation(rules, isFirst) };
}
const healthAnswer = { "application/json": { schema: { $ref: "#/components/schemas/Health" } } };
const problemAnswer = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
paths["/health"] = {
  get: {
    operationId: "health",
    summary: "Whether the services of this process serve, as grpc.health.v1 says",
    responses: {
      200: { description: "All of them do.", content: healthAnswer },
      503: { description: "One does not, or none does any more.", content: { ...healthAnswer, ...problemAnswer } },
      default: { description: "Any other failure.", content: problemAnswer },
    },
  },
};
paths["/openapi.json"] = {
  get: {
    operationId: "openapi",
    summary: "This description",
    responses: { 200: { description: "OpenAPI 3.1.", content: { "application/json": { schema: { type: "object" } } } } },
  },
};

const services = [...new Set(httpRules.map(({ method }) => method.parent))];

const document = {
  openapi: "3.1.0",
  info: {
    title: "Concord",
    version,
    description: introduction,
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  servers: [{ url: "http://127.0.0.1:50080" }],
  tags: services.map((service) => ({ name: service.name, description: commentOf(service) })),
  paths,
  components: {
    schemas: Object.fromEntries(Object.entries(schemas).toSorted(([one], [other]) => (one < other ? -1 : 1))),
    parameters: {
      RequestId: {
        name: "X-Request-Id",
        in: "header",
        description:
          "Stands on each line that the server logs of this call, and in the answer. Up to 128 characters of ASCII; instead of anything else one is made.",
        schema: { type: "string" },
      },
      GrpcTimeout: {
        name: "Grpc-Timeout",
        in: "header",
        description: "How long the caller waits, as gRPC writes it: up to eight digits and a unit, H, M, S, m (ms), u or n.",
        schema: { type: "string", pattern: "^[0-9]{1,8}[HMSmun]$", examples: ["1500m"] },
      },
      LastEventId: {
        name: "Last-Event-ID",
        in: "header",
        description:
          "Of the stream only. The id of the last event that was seen: what came after it follows. It goes before `after_sequence`.",
        schema: { type: "string", examples: ["17"] },
      },
    },
    headers: {
      RetryAfter: { description: "In how many seconds a retry may help.", schema: { type: "integer" } },
      RequestId: {
        description: "In the server's log, the id of this request: the caller's, or one that was made.",
        schema: { type: "string" },
      },
    },
  },
};

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("say where to write it");
writeFileSync(file, `${JSON.stringify(document, undefined, 1)}\n`);
