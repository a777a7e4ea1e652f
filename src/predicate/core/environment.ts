import {
  type CelEnv,
  type CelFunc,
  type CelInput,
  type CelValue,
  celEnv,
  celError,
  celFunc,
  celMethod,
  isCelError,
} from "@bufbuild/cel";
import { budgetLeft, charge, noteFailure } from "./budget.ts";
import { costOf } from "./costs.ts";
import { arithmeticFunctions } from "./functions/arithmetic.ts";
import { comparisonFunctions } from "./functions/comparisons.ts";
import { conversionFunctions } from "./functions/conversions.ts";
import { encoderFunctions } from "./functions/encoders.ts";
import { listFunctions } from "./functions/lists.ts";
import { loopFunctions } from "./functions/loops.ts";
import { matchFunctions } from "./functions/matches.ts";
import { mathFunctions } from "./functions/math.ts";
import { optionalFunctions } from "./functions/optionals.ts";
import { setFunctions } from "./functions/sets.ts";
import { stringFunctions } from "./functions/strings.ts";
import { timeFunctions } from "./functions/time.ts";
import { optionalRegistry } from "./optional.ts";

/** Where they differ from the library's, ours are what CEL says. */
const own = [
  ...arithmeticFunctions,
  ...comparisonFunctions,
  ...conversionFunctions,
  ...timeFunctions,
  ...matchFunctions,
  ...stringFunctions,
  ...mathFunctions,
  ...listFunctions,
  ...setFunctions,
  ...encoderFunctions,
  ...optionalFunctions,
];

const isOwn = new Set(own.map(({ id }) => id));

/** Of one name, the first that takes the arguments is called: those of ours are what rules use most. */
const all = [...own, ...[...celEnv().funcs].filter(({ id }) => !isOwn.has(id))];

/** CEL's functions and extensions, each charged for the data that it handles. */
export const meteredEnv: CelEnv = celEnv({
  registry: optionalRegistry,
  funcs: [...all.map(metered), ...loopFunctions].map(located),
});

function metered(func: CelFunc): CelFunc {
  const cost = costOf(func);
  if (cost === undefined) return func;
  const call = (target: CelValue | undefined, args: CelValue[]): CelInput => {
    charge(cost(target === undefined ? args : [target, ...args], budgetLeft()));
    const result = func.call(0, target, args);
    // Thrown anew, so that it gets the position of this call.
    if (isCelError(result)) throw new Error(result.message);
    return result as CelInput;
  };
  if (func.target === undefined) return celFunc(func.name, func.arguments, func.result, (...args) => call(undefined, args));
  return celMethod(func.name, func.target, func.arguments, func.result, function (...args) {
    return call(this, args);
  });
}

/** The library's functions do not say where they failed. */
function located(func: CelFunc): CelFunc {
  const call: CelFunc["call"] = (id, target, args) => {
    const result = func.call(id, target, args);
    if (!isCelError(result)) return result;
    noteFailure(id);
    return result.exprId === undefined ? celError(result.message, id) : result;
  };
  return Object.create(func, { call: { value: call } });
}
