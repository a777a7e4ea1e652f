package concord.client;

/** What is known after a failed call, and whether to try again. */
public record Advice(Outcome outcome, Retry retry) {
    /** Whether the change was made. */
    public enum Outcome {
        NOT_DONE,
        /** It may have happened, or may still happen. The same request with the same id settles it. */
        UNKNOWN
    }

    /** What to send next. */
    public enum Retry {
        /** The same request with the same id. */
        SAME,
        /** Look, and ask for what is right then, with a new id. */
        ANEW,
        /** Nothing, before somebody has changed something. */
        NO
    }
}
