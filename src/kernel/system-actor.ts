/** Begins the names of the server's own actors, in events and for rules. No caller has such a name. */
export const systemPrefix = "system:";
