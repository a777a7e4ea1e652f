import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { statusOfReason } from "../../src/http/problem-status.ts";
import { queryFields } from "../../src/http/query.ts";
import type { HttpRule } from "../../src/http/rules.ts";
import { commentOf } from "./comments.ts";
import { componentName, fieldSchema, isRequired, ref, type Schema } from "./schemas.ts";

/** What a place is for one verb: an RPC, or a list and the stream of what it lists. */
export function operation(rules: readonly HttpRule[], isFirst: boolean): Schema {
  const one = rules.find(({ method }) => method.methodKind === "unary");
  const stream = rules.find(({ method }) => method.methodKind !== "unary");
  const [main] = [one, stream].filter((rule) => rule !== undefined);
  if (main === undefined) throw new Error("a place without a rule");
  const { method } = main;
  const also = one === undefined ? undefined : stream;
  return {
    operationId: `${method.parent.name}_${method.name}${isFirst ? "" : "_at"}`,
    tags: [method.parent.name],
    summary: firstSentence(commentOf(method)),
    description: [
      commentOf(method),
      ...(also === undefined ? [] : [`With \`Accept: text/event-stream\`, ${also.method.name}: ${commentOf(also.method)}`]),
    ].join("\n\n"),
    parameters: parameters(rules),
    ...(main.hasBody && {
      // Without one, each field has its zero value.
      requestBody: {
        required: method.input.fields.some((field) => isRequired(field) && !isVariable(main, field)),
        content: { "application/json": { schema: ref(method.input) } },
      },
    }),
    responses: { ...success(one, stream), ...failures(rules) },
  };
}

const isVariable = ({ segments }: HttpRule, field: DescField): boolean =>
  segments.some((segment) => "field" in segment && segment.field === field);

const firstSentence = (text: string): string => /^.*?[.:](?=\s|$)/s.exec(text)?.[0].replaceAll("\n", " ").slice(0, -1) ?? text;

function parameters(rules: readonly HttpRule[]): readonly Schema[] {
  const byName = new Map<string, { schema: Schema; readonly of: Set<HttpRule> }>();
  for (const rule of rules) {
    const variables = new Set(rule.segments.flatMap((segment) => ("field" in segment ? [segment.field.name] : [])));
    for (const segment of rule.segments) {
      if (!("field" in segment)) continue;
      const { field } = segment;
      const { description, ...schema } = fieldSchema(field, "response");
      // There is always something between two slashes.
      const pattern = String(schema["pattern"] ?? "").replace("^$|", "");
      note(rule, {
        name: field.name,
        in: "path",
        required: true,
        description,
        schema: { ...schema, ...(pattern && { pattern }) },
      });
    }
    for (const { path, field } of rule.hasBody ? [] : queryFields(rule.method.input)) {
      if (path.length === 1 && variables.has(field.name)) continue;
      const { description, ...schema } = fieldSchema(field, "response");
      const name = path.map((one) => one.name).join(".");
      note(rule, { name, in: "query", required: path.length === 1 && isRequired(field), description, schema });
    }
  }
  function note(rule: HttpRule, schema: Schema & { readonly name: string }): void {
    const known = byName.get(schema.name) ?? { schema, of: new Set() };
    known.of.add(rule);
    byName.set(schema.name, known);
  }
  const fromHeaders = [
    "RequestId",
    "GrpcTimeout",
    ...(rules.some(({ method }) => method.input.fields.some(({ name }) => name === "after_sequence")) ? ["LastEventId"] : []),
  ].map((name) => ({ $ref: `#/components/parameters/${name}` }));
  return [
    ...[...byName.values()].map(({ schema, of }) => (of.size === rules.length ? schema : told(schema, of))),
    ...fromHeaders,
  ];
}

/** A parameter of a list or of the stream beside it is refused by the other. */
function told(schema: Schema, of: ReadonlySet<HttpRule>): Schema {
  const [rule] = of;
  const which = rule?.method.methodKind === "unary" ? "Not of the stream." : "Of the stream only.";
  return { ...schema, description: `${which} ${schema["description"] ?? ""}` };
}

function success(one: HttpRule | undefined, stream: HttpRule | undefined): Schema {
  const description = [
    ...(one === undefined ? [] : [`${firstSentence(commentOf(one.method.output))}.`]),
    ...(stream === undefined
      ? []
      : [
          `As events: the \`data\` of each is a ${componentName(stream.method.output)}; docs/http.md says what ids, comments and \`error\` are.`,
        ]),
  ].join(" ");
  return {
    200: {
      description: description === "" ? "It is done." : description,
      headers: ownHeaders,
      content: {
        ...(one !== undefined && { "application/json": { schema: ref(one.method.output) } }),
        ...(stream !== undefined && { "text/event-stream": { schema: eventSchema(stream.method.output) } }),
      },
    },
  };
}

/** Of each event: OpenAPI 3.1 has no word of its own for a stream, and readers that know streams take it so. */
function eventSchema(message: DescMessage): Schema {
  const data = { type: "string", contentMediaType: "application/json", contentSchema: ref(message) };
  const text = { type: "string" };
  return { type: "object", properties: { id: text, event: text, data, retry: { type: ["integer", "string"] } } };
}

/** What the contract says in its comments: there, each reason stands by its name. */
function failures(rules: readonly HttpRule[]): Schema {
  const texts = rules.flatMap(({ method }) => [commentOf(method), commentOf(method.parent)]);
  const named = new Set(texts.join(" ").match(/\b[A-Z][A-Z_]+[A-Z]\b/g));
  const byStatus = new Map<number, string[]>();
  for (const [reason, status] of Object.entries(statusOfReason)) {
    if (!named.has(reason) && !ofAll.has(reason)) continue;
    byStatus.set(status, [...(byStatus.get(status) ?? []), reason]);
  }
  const problem = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  const responses = [...byStatus].map(([status, reasons]) => [
    status,
    { description: reasons.join(", "), headers: problemHeaders, content: problem },
  ]);
  return {
    ...Object.fromEntries(responses),
    default: { description: "Any other failure.", headers: problemHeaders, content: problem },
  };
}

const ofAll = new Set(["INVALID_REQUEST", "OVERLOADED", "STORAGE_UNAVAILABLE", "SHUTTING_DOWN", "INTERNAL"]);

const ownHeaders = { "x-request-id": { $ref: "#/components/headers/RequestId" } };

const problemHeaders = { "retry-after": { $ref: "#/components/headers/RetryAfter" }, ...ownHeaders };
