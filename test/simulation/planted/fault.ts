import type { Mutant } from "../../exploration/mutants.ts";
import type { Focus } from "../workflow/load.ts";

/** A mistake that the simulation must find: in worlds that have more of its focus, so that few are needed. */
export type Planted = Mutant & { readonly focus?: Focus };
