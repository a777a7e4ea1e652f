import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace";
import { type Environment, textOf } from "./environment.ts";

/** Which traces are kept. As a rule all that begin here, and of others those that their beginner keeps. */
export function samplerOf(environment: Environment): Sampler {
  const name = textOf(environment, "OTEL_TRACES_SAMPLER") ?? "parentbased_always_on";
  const [, isBased, root = ""] = /^(parentbased_)?(.+)$/.exec(name) ?? [];
  const sampler = rootOf(root, textOf(environment, "OTEL_TRACES_SAMPLER_ARG"));
  // What is not known is told by nobody, and costs nothing: it is as the default.
  if (sampler === undefined) return new ParentBasedSampler({ root: new AlwaysOnSampler() });
  return isBased === undefined ? sampler : new ParentBasedSampler({ root: sampler });
}

function rootOf(name: string, ratio: string | undefined): Sampler | undefined {
  switch (name) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return new TraceIdRatioBasedSampler(ratioOf(ratio));
    default:
      return undefined;
  }
}

/** From 0 to 1; all, if it is no such number. */
function ratioOf(text: string | undefined): number {
  const ratio = Number(text ?? 1);
  return ratio >= 0 && ratio <= 1 ? ratio : 1;
}
