import { setMaxListeners } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { HealthDefinition, HealthServiceImpl, HealthState } from "nice-grpc-server-health";
import { messageType } from "./descriptors.ts";
import { EncodedAnswer } from "./encoded-answer.ts";

const { check } = HealthDefinition.methods;

/** As the library has it, and with `List`, which it does not know yet. The request of that is read by its descriptor, and what it answers is encoded. */
export const healthDefinition = {
  ...HealthDefinition,
  methods: { ...HealthDefinition.methods, list: { ...check, name: "List" } },
} as const;

const listType = messageType("grpc.health.v1.HealthListResponse");
const status = { serving: 1, notServing: 2 } as const;

/** Of each service by its full name, and by the empty name whether all of them serve. */
export function createHealth() {
  const state = HealthState();
  // Each watch adds one; the bound on calls under way bounds them.
  setMaxListeners(0, state);
  const serving = new Map<string, boolean>();
  const word = (isServing: boolean) => (isServing ? "healthy" : "unhealthy");
  const areAllServing = () => [...serving.values()].every(Boolean);

  return {
    setServing(name: string, isServing: boolean): void {
      serving.set(name, isServing);
      state.setStatus(word(isServing), name);
      // Who asks without a name may want any of them.
      state.setStatus(word(areAllServing()));
    },
    service: {
      ...HealthServiceImpl(state),
      list: async () => {
        const words = [["", areAllServing()] as const, ...serving].map(
          ([name, isServing]) => [name, { status: isServing ? status.serving : status.notServing }] as const,
        );
        const answer = create(listType, { statuses: Object.fromEntries(words) } as never);
        return new EncodedAnswer(toBinary(listType, answer)) as never;
      },
    },
  };
}
