import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/kernel/json.ts";
import { judge } from "../../../src/predicate/core/judge.ts";
import { checkOf, ruleOf, ruleSetOf } from "../../support/rule-values.ts";

/**
 * What validating admission policies and custom resource definitions ask most often, as their authors write it. `object` and `self` are the
 * workflow's metadata here.
 */
const policies: readonly {
  readonly name: string;
  readonly expression: string;
  readonly allowed: JsonObject;
  readonly denied: JsonObject;
}[] = [
  {
    name: "replicas have a limit",
    expression: "object.spec.replicas <= 5",
    allowed: { spec: { replicas: 5 } },
    denied: { spec: { replicas: 6 } },
  },
  {
    name: "images come from one registry",
    expression: "object.spec.containers.all(c, c.image.startsWith('registry.example.com/'))",
    allowed: { spec: { containers: [{ image: "registry.example.com/a:1" }, { image: "registry.example.com/b:1" }] } },
    denied: { spec: { containers: [{ image: "registry.example.com/a:1" }, { image: "registry.example.com.evil.net/b:1" }] } },
  },
  {
    name: "no image is the latest",
    expression: "object.spec.template.spec.containers.all(c, c.image.contains(':') && !c.image.endsWith(':latest'))",
    allowed: { spec: { template: { spec: { containers: [{ image: "a:1.2" }] } } } },
    denied: { spec: { template: { spec: { containers: [{ image: "a:1.2" }, { image: "b:latest" }] } } } },
  },
  {
    name: "images are pinned by digest",
    expression: "object.spec.containers.all(c, c.image.matches('@sha256:[a-f0-9]{64}$'))",
    allowed: { spec: { containers: [{ image: `a@sha256:${"0f".repeat(32)}` }] } },
    denied: { spec: { containers: [{ image: "a@sha256:0f" }] } },
  },
  {
    name: "no container runs as root",
    expression: `object.spec.containers.all(c, has(c.securityContext) && has(c.securityContext.runAsNonRoot) &&
      c.securityContext.runAsNonRoot == true)`,
    allowed: { spec: { containers: [{ securityContext: { runAsNonRoot: true } }] } },
    denied: { spec: { containers: [{ securityContext: { runAsNonRoot: true } }, { securityContext: {} }] } },
  },
  {
    name: "nor does one of those that begin, if there are any",
    expression: `!has(object.spec.initContainers) || object.spec.initContainers.all(c,
      has(c.securityContext) && has(c.securityContext.privileged) && !c.securityContext.privileged)`,
    allowed: { spec: {} },
    denied: { spec: { initContainers: [{ name: "init" }] } },
  },
  {
    name: "the host's network is not used",
    expression: "!has(object.spec.hostNetwork) || object.spec.hostNetwork == false",
    allowed: { spec: { hostNetwork: false } },
    denied: { spec: { hostNetwork: true } },
  },
  {
    name: "requests and limits are given",
    expression: "object.spec.containers.all(c, has(c.resources) && ['cpu', 'memory'].all(r, r in c.resources.limits))",
    allowed: { spec: { containers: [{ resources: { limits: { cpu: "1", memory: "1Gi" } } }] } },
    denied: { spec: { containers: [{ resources: { limits: { cpu: "1" } } }] } },
  },
  {
    name: "a label with a prefix says who owns it",
    expression: `has(object.metadata.labels) && 'example.com/owner' in object.metadata.labels &&
      object.metadata.labels['example.com/owner'].matches('^team-[a-z]+$')`,
    allowed: { metadata: { labels: { "example.com/owner": "team-blue" } } },
    denied: { metadata: { labels: { owner: "team-blue" } } },
  },
  {
    name: "capabilities are a subset",
    expression: `object.spec.containers.all(c, !has(c.securityContext) || !has(c.securityContext.capabilities) ||
      sets.contains(['NET_BIND_SERVICE', 'CHOWN'], c.securityContext.capabilities.add))`,
    allowed: { spec: { containers: [{ securityContext: { capabilities: { add: ["CHOWN"] } } }, {}] } },
    denied: { spec: { containers: [{ securityContext: { capabilities: { add: ["CHOWN", "SYS_ADMIN"] } } }] } },
  },
  {
    name: "an optional field has a default",
    expression: "object.?spec.?strategy.?type.orValue('RollingUpdate') == 'RollingUpdate'",
    allowed: { spec: {} },
    denied: { spec: { strategy: { type: "Recreate" } } },
  },
  {
    name: "names within a list differ",
    expression: "self.listeners.all(a, self.listeners.exists_one(b, b.name == a.name))",
    allowed: { listeners: [{ name: "http" }, { name: "https" }] },
    denied: { listeners: [{ name: "http" }, { name: "http" }] },
  },
  {
    name: "exactly one of two fields is set",
    expression: "has(self.value) != has(self.valueFrom)",
    allowed: { value: "1" },
    denied: { value: "1", valueFrom: { secret: "s" } },
  },
  {
    name: "a type demands its own settings",
    expression: "self.type == 'xdp' ? has(self.xdp) : !has(self.xdp)",
    allowed: { type: "xdp", xdp: {} },
    denied: { type: "tc", xdp: {} },
  },
  {
    name: "the least is not above the most",
    expression: "self.minReplicas <= self.replicas && self.replicas <= self.maxReplicas",
    allowed: { minReplicas: 1, replicas: 3, maxReplicas: 3 },
    denied: { minReplicas: 4, replicas: 3, maxReplicas: 5 },
  },
  {
    name: "sizes of nested lists, without a limit of theirs",
    expression: "self.groups.all(g, g.flavors.all(f, f.resources.all(r, !has(r.limit) || r.limit >= 0)))",
    allowed: { groups: [{ flavors: [{ resources: [{ limit: 1 }, {}] }] }] },
    denied: { groups: [{ flavors: [{ resources: [{ limit: 1 }, { limit: -1 }] }] }] },
  },
];

describe("what is written for Kubernetes is accepted, and judges", () => {
  test.each(policies)("$name", ({ expression, allowed, denied }) => {
    const rules = ruleSetOf(1, ruleOf({ expression: expression.replaceAll(/\b(object|self)\b/g, "workflow.metadata") }));
    expect(judge(rules, checkOf({ workflow: { metadata: allowed } }))).toMatchObject({ type: "allowed" });
    const violations = [{ evaluationFailed: false }];
    expect(judge(rules, checkOf({ workflow: { metadata: denied } }))).toMatchObject({ type: "rule-denied", violations });
  });
});

describe("what Kubernetes' estimate refuses for lists and texts without a limit is metered by the data that is there", () => {
  // As many as a gateway of the Gateway API has at most.
  const names = Array.from({ length: 64 }, (_, n) => ({ name: `listener-${n}` }));
  test.each([
    ["a list beside itself", "self.listeners.all(a, self.listeners.exists_one(b, b.name == a.name))", { listeners: names }],
    ["a pattern for each", "self.listeners.all(l, l.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))", { listeners: names }],
    ["a text in a list", "self.listeners.map(l, l.name).all(n, n.contains('listener'))", { listeners: names }],
  ])("%s", (_, expression, metadata) => {
    const rules = ruleSetOf(1, ruleOf({ expression: expression.replaceAll("self", "workflow.metadata") }));
    expect(judge(rules, checkOf({ workflow: { metadata } }))).toMatchObject({ type: "allowed" });
  });
});
