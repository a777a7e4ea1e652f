package concord.client.participant;

/** Answered with Nack: nothing has changed. */
final class Refused extends Exception {
    private static final long serialVersionUID = 1L;

    Refused(String reason) {
        super(reason);
    }
}
