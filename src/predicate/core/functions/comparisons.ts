import { type CelFunc, CelScalar, celFunc, listType } from "@bufbuild/cel";
import { equals } from "../equality.ts";
import { compareTexts } from "../order.ts";

const { BOOL, DOUBLE, DYN, INT, STRING, UINT } = CelScalar;

type Number = number | bigint;

/** JavaScript compares a bigint with a number exactly, and NaN with nothing. */
const tests: Readonly<Record<string, (left: Number, right: Number) => boolean>> = {
  "_<_": (left, right) => left < right,
  "_<=_": (left, right) => left <= right,
  "_>_": (left, right) => left > right,
  "_>=_": (left, right) => left >= right,
};

/** Where the library differs from CEL: it compares texts by UTF-16, and rounds an integer that it compares with a double. */
export const comparisonFunctions: readonly CelFunc[] = [
  ...Object.entries(tests).flatMap(([name, test]) => [
    celFunc(name, [DOUBLE, INT], BOOL, test),
    celFunc(name, [INT, DOUBLE], BOOL, test),
    celFunc(name, [STRING, STRING], BOOL, (left, right) => test(compareTexts(left, right), 0)),
    celFunc(name, [UINT, DOUBLE], BOOL, (left, right) => test(left.value, right)),
    celFunc(name, [DOUBLE, UINT], BOOL, (left, right) => test(left, right.value)),
  ]),
  celFunc("_==_", [DYN, DYN], BOOL, equals),
  celFunc("_!=_", [DYN, DYN], BOOL, (left, right) => !equals(left, right)),
  celFunc("@in", [DYN, listType(DYN)], BOOL, (value, list) => {
    for (const element of list) if (equals(element, value)) return true;
    return false;
  }),
];
