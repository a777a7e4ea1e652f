/**
 * Asked before each step of work that can be long. A promise: others have their turn first, await it. Nothing: there is time for a step; take
 * it before anything is awaited, since a hundred that ask now and step later would all find time.
 * Throws, or rejects with, the reason of whoever the work is for, once that has ended.
 */
export type Breathe = () => Promise<void> | undefined;

/** What can end the work: an AbortSignal. */
type Ending = { throwIfAborted(): void };

/** Lets long work be done in slices: one `Breathe` for each piece of work. */
export type Turns = (signal?: Ending) => Breathe;
