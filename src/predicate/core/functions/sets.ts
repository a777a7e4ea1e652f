import { type CelFunc, type CelList, CelScalar, celFunc, listType } from "@bufbuild/cel";
import { equals } from "../equality.ts";

const LIST = listType(CelScalar.DYN);
const { BOOL } = CelScalar;

/** https://pkg.go.dev/github.com/google/cel-go/ext#Sets: lists, whatever the order and number of equal elements. */
export const setFunctions: readonly CelFunc[] = [
  celFunc("sets.contains", [LIST, LIST], BOOL, contains),
  celFunc("sets.equivalent", [LIST, LIST], BOOL, (left, right) => contains(left, right) && contains(right, left)),
  celFunc("sets.intersects", [LIST, LIST], BOOL, (left, right) => {
    const elements = [...right];
    return [...left].some((each) => elements.some((element) => equals(each, element)));
  }),
];

function contains(list: CelList, part: CelList): boolean {
  const elements = [...list];
  return [...part].every((each) => elements.some((element) => equals(each, element)));
}
