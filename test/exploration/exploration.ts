/** A labelled edge of the spec, and the first step of the code that is one. */
export type SpecStep = { readonly from: string; readonly to: string; readonly action: string; readonly name: string };

export type Exploration = {
  readonly states: number;
  readonly steps: number;
  /** False: `statesMax` was reached first. */
  readonly complete: boolean;
  /** Keys of what was reached, in the terms of the spec. */
  readonly specStates: ReadonlyMap<string, number>;
  /** Steps that change the state of the spec, by `edgeKey` of the numbers. */
  readonly specSteps: ReadonlyMap<string, SpecStep>;
  readonly violation: { readonly what: string; readonly path: readonly string[] } | undefined;
};

export const edgeKey = (from: number, action: string, to: number): string => `${from} ${action} ${to}`;
