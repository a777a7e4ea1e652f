import { type DescExtension, type DescMethod, getOption } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { registry } from "../../src/rpc/descriptors.ts";

// The convention stands in the comment of WorkflowService. It is held here for RPCs that do not exist yet.

type Rule = {
  readonly pattern: { readonly case: string | undefined; readonly value: string };
  readonly body: string;
  readonly additionalBindings: readonly Rule[];
};

const httpRule = registry.getExtension("google.api.http") as DescExtension;

const services = [...registry].filter((one) => one.kind === "service" && one.typeName.startsWith("concord."));
const methods = services.flatMap((one) => (one.kind === "service" ? one.methods : []));
const served = methods.filter(({ methodKind }) => methodKind !== "bidi_streaming");

function bindings(method: DescMethod): readonly Rule[] {
  const rule = getOption(method, httpRule) as unknown as Rule;
  return [rule, ...rule.additionalBindings].filter(({ pattern }) => pattern.case !== undefined);
}

test.each(served.map((method) => [`${method.parent.name}/${method.name}`, method] as const))(
  "%s has a place over HTTP, by the convention",
  (_, method) => {
    const places = bindings(method);
    expect(places, "an option (google.api.http)").not.toEqual([]);
    for (const { pattern, body } of places) {
      expect(["get", "post", "put", "delete", "patch"]).toContain(pattern.case);
      expect(pattern.value).toMatch(/^\/v1(\/([a-z-]+|\{[a-z_]+\}))+(:[a-z-]+)?$/);
      expect(body).toBe(pattern.case === "get" || pattern.case === "delete" ? "" : "*");
      if (method.methodKind === "server_streaming") expect(pattern.case).toBe("get");
      const variables = [...pattern.value.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const fields = method.input.fields.filter(({ fieldKind }) => fieldKind === "scalar" || fieldKind === "enum");
      expect(fields.map(({ name }) => name)).toEqual(expect.arrayContaining(variables));
    }
  },
);

test("no two have the same, but a stream and the list of what it sends", () => {
  const places = served.flatMap((method) =>
    bindings(method).map(({ pattern }) => {
      const kind = method.methodKind === "unary" ? "one answer" : "a stream";
      return `${kind} at ${pattern.case} ${pattern.value.replaceAll(/\{\w+\}/g, "{}")}`;
    }),
  );
  expect(places.toSorted()).toEqual([...new Set(places)].toSorted());
});
