package concord.client.participant;

import concord.client.participant.Record.State;
import concord.commit.v1.Decision;
import concord.commit.v1.DecisionAck;
import concord.commit.v1.Outcome;
import concord.commit.v1.ParticipateRequest;
import concord.commit.v1.Prepare;
import concord.commit.v1.VoteValue;
import java.lang.System.Logger.Level;
import java.sql.SQLException;

/**
 * One message of the coordinator, and the answer to it: the table of docs/participant-contract.md. Everything that an answer promises is written in
 * the same transaction, which has ended before the answer is sent.
 */
final class Steps {
    private static final System.Logger LOGGER = System.getLogger("concord.participant");

    private final ParticipantLog log;
    private final Resource resource;

    Steps(ParticipantLog log, Resource resource) {
        this.log = log;
        this.resource = resource;
    }

    ParticipateRequest.Builder prepare(Prepare message, String coordinatorId, boolean isLeaving) throws Exception {
        return log.transaction(() -> {
            var known = believed(message.getTransactionId(), message.getCoordinatorEpoch(), coordinatorId);
            if (message.getOnePhase()) return prepareAndCommit(message, coordinatorId, known, isLeaving);
            if (known != null) return voteAgain(message, known);
            var voted = work(message, coordinatorId, isLeaving);
            log.write(voted);
            return vote(message, voted);
        });
    }

    ParticipateRequest.Builder decide(Decision message, String coordinatorId) throws Exception {
        return log.transaction(() -> {
            var transactionId = message.getTransactionId();
            var known = believed(transactionId, message.getCoordinatorEpoch(), coordinatorId);
            return switch (message.getOutcome()) {
                case OUTCOME_COMMITTED -> commit(transactionId, known);
                case OUTCOME_ABORTED -> abort(
                        known != null
                                ? known
                                // A Prepare that comes after it must be refused.
                                : new Record(
                                        transactionId, State.ABORTED, coordinatorId, message.getCoordinatorEpoch(), null,
                                        "its abort came first"));
                default -> throw new Refused("the outcome is not known here");
            };
        });
    }

    /** A promise belongs to the coordinator that it was made to; one that was replaced is not heard. Null if nothing is known. */
    private Record believed(String transactionId, long epoch, String coordinatorId) throws SQLException, Refused {
        var known = log.read(transactionId);
        if (known != null && !known.coordinatorId().equals(coordinatorId)) {
            throw new Refused("the transaction belongs to coordinator \"%s\"".formatted(known.coordinatorId()));
        }
        var claim = log.seen(coordinatorId);
        var seen = claim == null ? 0 : claim.getEpoch();
        if (known != null && Long.compareUnsigned(known.coordinatorEpoch(), seen) > 0) seen = known.coordinatorEpoch();
        if (Long.compareUnsigned(epoch, seen) < 0) {
            throw new Refused("coordinator epoch %s was replaced by %s"
                    .formatted(Long.toUnsignedString(epoch), Long.toUnsignedString(seen)));
        }
        return known;
    }

    /** What a vote says, to be written. */
    private Record work(Prepare message, String coordinatorId, boolean isLeaving) throws Exception {
        var within = message.getVoteWithin();
        var isLate = within.getSeconds() <= 0 && within.getNanos() <= 0;
        Vote vote;
        if (isLeaving) vote = Vote.abort("the participant is leaving");
        else if (isLate) vote = Vote.abort("the time to vote is over");
        else vote = askResource(message);
        var state = switch (vote.value()) {
            case VOTE_VALUE_COMMIT -> State.PREPARED;
            case VOTE_VALUE_READ_ONLY -> State.READ_ONLY;
            default -> State.REFUSED;
        };
        var payload = message.getPayload().toByteArray();
        return new Record(message.getTransactionId(), state, coordinatorId, message.getCoordinatorEpoch(), payload, vote.reason());
    }

    private Vote askResource(Prepare message) throws Exception {
        return log.attempt(() -> {
            try {
                return resource.prepare(log.db(), message.getTransactionId(), message.getPayload().toByteArray());
            } catch (Exception failure) {
                LOGGER.log(Level.WARNING, "prepare has thrown: transaction " + message.getTransactionId(), failure);
                // What a database says may name what is nobody's business: it stays here.
                return Vote.abort("prepare failed; the participant's log says why, at transaction " + message.getTransactionId());
            }
        });
    }

    private static ParticipateRequest.Builder voteAgain(Prepare message, Record known) throws Refused {
        if (known.state() == State.COMMITTED) throw new Refused("it is committed");
        return vote(message, known);
    }

    /** The lone participant decides: its promise, the work and the outcome are one write. */
    private ParticipateRequest.Builder prepareAndCommit(Prepare message, String coordinatorId, Record known, boolean isLeaving)
            throws Exception {
        if (known == null) {
            var voted = work(message, coordinatorId, isLeaving);
            return switch (voted.state()) {
                case PREPARED -> commit(voted.transactionId(), voted);
                case READ_ONLY -> acknowledge(voted.ended(State.COMMITTED));
                default -> acknowledge(voted.ended(State.ABORTED));
            };
        }
        return switch (known.state()) {
            case PREPARED, COMMITTED -> commit(known.transactionId(), known);
            default -> abort(known);
        };
    }

    private ParticipateRequest.Builder commit(String transactionId, Record known) throws Exception {
        if (known == null || known.state() == State.REFUSED || known.state() == State.READ_ONLY) {
            var reason = "no record of a promise: another log has made it, or this one was emptied or restored";
            return ack(transactionId, Outcome.OUTCOME_LOST, reason);
        }
        if (known.state() == State.ABORTED) throw new Refused("COMMITTED, but it is aborted here");
        if (known.state() == State.PREPARED) resource.commit(log.db(), transactionId, known.payload());
        return acknowledge(known.ended(State.COMMITTED));
    }

    private ParticipateRequest.Builder abort(Record known) throws Exception {
        if (known.state() == State.COMMITTED) throw new Refused("ABORTED, but it is committed here");
        if (known.state() == State.PREPARED) resource.abort(log.db(), known.transactionId(), known.payload());
        return acknowledge(known.ended(State.ABORTED));
    }

    private ParticipateRequest.Builder acknowledge(Record ended) throws SQLException {
        log.write(ended);
        var outcome = ended.state() == State.COMMITTED ? Outcome.OUTCOME_COMMITTED : Outcome.OUTCOME_ABORTED;
        return ack(ended.transactionId(), outcome, ended.reason());
    }

    private static ParticipateRequest.Builder vote(Prepare message, Record voted) {
        var value = switch (voted.state()) {
            case PREPARED -> VoteValue.VOTE_VALUE_COMMIT;
            case READ_ONLY -> VoteValue.VOTE_VALUE_READ_ONLY;
            default -> VoteValue.VOTE_VALUE_ABORT;
        };
        return ParticipateRequest.newBuilder().setVote(concord.commit.v1.Vote.newBuilder()
                .setTransactionId(message.getTransactionId())
                .setAttempt(message.getAttempt())
                .setValue(value)
                .setReason(voted.reason()));
    }

    private static ParticipateRequest.Builder ack(String transactionId, Outcome outcome, String reason) {
        return ParticipateRequest.newBuilder().setDecisionAck(
                DecisionAck.newBuilder().setTransactionId(transactionId).setOutcome(outcome).setReason(reason));
    }
}
