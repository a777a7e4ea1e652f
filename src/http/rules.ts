import { type DescExtension, type DescField, type DescMethod, getOption } from "@bufbuild/protobuf";
import { registry } from "../rpc/descriptors.ts";

export type Verb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A segment of a path: what it must be, or the field that it gives. */
export type Segment = { readonly literal: string } | { readonly field: DescField };

/** One place where an RPC is served. */
export type HttpRule = {
  readonly method: DescMethod;
  readonly verb: Verb;
  /** As the contract has it: `/v1/workflows/{workflow_id}`. */
  readonly template: string;
  readonly segments: readonly Segment[];
  /** The rest of the request is the body; else the query. */
  readonly hasBody: boolean;
};

/** What the extension holds, as the library decodes it. */
type Option = {
  readonly pattern: { readonly case: string | undefined; readonly value: unknown };
  readonly body: string;
  readonly additionalBindings: readonly Option[];
};

const httpExtension = registry.getExtension("google.api.http") as DescExtension;

/** Of all services of the contract, in its order: a stream in both directions has none. */
export const httpRules: readonly HttpRule[] = [...registry].flatMap((one) =>
  one.kind === "service" && one.typeName.startsWith("concord.") ? one.methods.flatMap(rulesOf) : [],
);

function rulesOf(method: DescMethod): readonly HttpRule[] {
  const option = getOption(method, httpExtension) as unknown as Option;
  return [option, ...option.additionalBindings]
    .filter(({ pattern }) => pattern.case !== undefined)
    .map(({ pattern, body }) => {
      const template = String(pattern.value);
      return {
        method,
        verb: pattern.case?.toUpperCase() as Verb,
        template,
        segments: template
          .slice(1)
          .split("/")
          .map((text) => segmentOf(method, text)),
        hasBody: body === "*",
      };
    });
}

function segmentOf({ input }: DescMethod, text: string): Segment {
  const name = /^\{(\w+)\}$/.exec(text)?.[1];
  if (name === undefined) return { literal: text };
  const field = input.fields.find((one) => one.name === name);
  if (field === undefined) throw new Error(`${input.typeName} has no field ${name}, which its path names`);
  return { field };
}
