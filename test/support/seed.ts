import fc from "fast-check";

/** Of what is drawn by chance: SEED=n draws it again. CI gives one, so that what it finds is of the change; `make stress` draws others. */
export const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

// Set up before each file; a property that fails prints its seed, and those that stand alone are told which one.
if (process.env["SEED"] !== undefined) fc.configureGlobal({ seed });
