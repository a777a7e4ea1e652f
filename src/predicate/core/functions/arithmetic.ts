import { type CelFunc, CelScalar, celFunc, celUint } from "@bufbuild/cel";

const { UINT } = CelScalar;

/** The library refuses a quotient that is no int. */
export const arithmeticFunctions: readonly CelFunc[] = [
  celFunc("_/_", [UINT, UINT], UINT, (left, right) => {
    if (right.value === 0n) throw new Error("uint divide by zero");
    return celUint(left.value / right.value);
  }),
];
