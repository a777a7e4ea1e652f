package participant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	commitv1 "concord/clients/go/gen/concord/commit/v1"
)

// One message of the coordinator, and the answer to it: the table of docs/participant-contract.md. Everything that an answer promises is written in
// the same transaction, which has ended before the answer is sent.

const reasonMax = 1000

// refusal is answered with Nack: nothing has changed.
type refusal string

func (r refusal) Error() string { return string(r) }

type steps struct {
	log      *log
	resource Resource
	logger   *slog.Logger
}

type answer = *commitv1.ParticipateRequest

// within has one write for the record and what follows from it.
func (s *steps) within(step func(tx *sql.Tx) (answer, error)) (said answer, err error) {
	err = s.log.transaction(func(tx *sql.Tx) error {
		said, err = step(tx)
		return err
	})
	return said, err
}

func (s *steps) prepare(message *commitv1.Prepare, coordinatorID string, isLeaving bool) (answer, error) {
	return s.within(func(tx *sql.Tx) (answer, error) {
		known, err := believed(tx, message, coordinatorID)
		if err != nil {
			return nil, err
		}
		if message.OnePhase {
			return s.prepareAndCommit(tx, message, coordinatorID, known, isLeaving)
		}
		if known.state != none {
			return voteAgain(message, known)
		}
		voted, err := s.work(tx, message, coordinatorID, isLeaving)
		if err != nil {
			return nil, err
		}
		return vote(message, voted), write(tx, voted)
	})
}

func (s *steps) decide(message *commitv1.Decision, coordinatorID string) (answer, error) {
	return s.within(func(tx *sql.Tx) (answer, error) {
		known, err := believed(tx, message, coordinatorID)
		if err != nil {
			return nil, err
		}
		switch message.Outcome {
		case commitv1.Outcome_OUTCOME_COMMITTED:
			return s.commit(tx, message.TransactionId, known)
		case commitv1.Outcome_OUTCOME_ABORTED:
			if known.state == none {
				// A Prepare that comes after it must be refused.
				known = newRecord(message, coordinatorID)
				known.reason = "its abort came first"
			}
			return s.abort(tx, known)
		default:
			return nil, refusal("the outcome is not known here")
		}
	})
}

type ofTransaction interface {
	GetTransactionId() string
	GetCoordinatorEpoch() uint64
}

func newRecord(message ofTransaction, coordinatorID string) record {
	return record{
		transactionID: message.GetTransactionId(), coordinatorID: coordinatorID, coordinatorEpoch: message.GetCoordinatorEpoch(),
	}
}

// believed is what is known. A promise belongs to the coordinator that it was made to; one that was replaced is not heard.
func believed(tx *sql.Tx, message ofTransaction, coordinatorID string) (record, error) {
	known, err := read(tx, message.GetTransactionId())
	if err != nil {
		return known, err
	}
	if known.state != none && known.coordinatorID != coordinatorID {
		return known, refusal(fmt.Sprintf("the transaction belongs to coordinator %q", known.coordinatorID))
	}
	seen, err := seenOf(tx, coordinatorID)
	if err != nil {
		return known, err
	}
	if newest := max(seen.epoch, known.coordinatorEpoch); message.GetCoordinatorEpoch() < newest {
		return known, refusal(fmt.Sprintf("coordinator epoch %d was replaced by %d", message.GetCoordinatorEpoch(), newest))
	}
	return known, nil
}

// work is what a vote says, to be written: prepared, refused or read-only.
func (s *steps) work(tx *sql.Tx, message *commitv1.Prepare, coordinatorID string, isLeaving bool) (record, error) {
	voted := newRecord(message, coordinatorID)
	voted.state = refused
	within := message.VoteWithin.AsDuration()
	switch {
	case isLeaving:
		voted.reason = "the participant is leaving"
		return voted, nil
	case within <= 0:
		voted.reason = "the time to vote is over"
		return voted, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	no, err := attempt(tx, func() error { return s.resource.Prepare(ctx, tx, message.TransactionId, message.Payload) })
	var why Refused
	switch {
	case no == nil:
		voted.state, voted.payload = prepared, message.Payload
	case errors.Is(no, ReadOnly):
		voted.state = readOnly
	case errors.As(no, &why):
		voted.reason = cut(string(why))
	default:
		// What a database says may name what is nobody's business: it stays here.
		s.logger.Warn("prepare has failed", "transaction", message.TransactionId, "err", no)
		voted.reason = "prepare failed; the participant's log says why, at transaction " + message.TransactionId
	}
	return voted, err
}

func voteAgain(message *commitv1.Prepare, known record) (answer, error) {
	if known.state == committed {
		return nil, refusal("it is committed")
	}
	return vote(message, known), nil
}

// prepareAndCommit is of the lone participant, which decides: its promise, the work and the outcome are one write.
func (s *steps) prepareAndCommit(
	tx *sql.Tx, message *commitv1.Prepare, coordinatorID string, known record, isLeaving bool,
) (answer, error) {
	switch known.state {
	case none:
		voted, err := s.work(tx, message, coordinatorID, isLeaving)
		if err != nil {
			return nil, err
		}
		switch voted.state {
		case prepared:
			return s.commit(tx, message.TransactionId, voted)
		case readOnly:
			return acknowledge(tx, voted.ended(committed))
		default:
			return acknowledge(tx, voted.ended(aborted))
		}
	case prepared, committed:
		return s.commit(tx, message.TransactionId, known)
	default:
		return s.abort(tx, known)
	}
}

func (s *steps) commit(tx *sql.Tx, transactionID string, known record) (answer, error) {
	switch known.state {
	case prepared:
		if err := s.resource.Commit(context.Background(), tx, transactionID, known.payload); err != nil {
			return nil, err
		}
		return acknowledge(tx, known.ended(committed))
	case committed:
		return acknowledge(tx, known)
	case aborted:
		return nil, refusal("COMMITTED, but it is aborted here")
	default:
		reason := "no record of a promise: another log has made it, or this one was emptied or restored"
		return ack(transactionID, commitv1.Outcome_OUTCOME_LOST, reason), nil
	}
}

func (s *steps) abort(tx *sql.Tx, known record) (answer, error) {
	switch known.state {
	case committed:
		return nil, refusal("ABORTED, but it is committed here")
	case prepared:
		if err := s.resource.Abort(context.Background(), tx, known.transactionID, known.payload); err != nil {
			return nil, err
		}
	}
	return acknowledge(tx, known.ended(aborted))
}

func acknowledge(tx *sql.Tx, r record) (answer, error) {
	outcome := commitv1.Outcome_OUTCOME_ABORTED
	if r.state == committed {
		outcome = commitv1.Outcome_OUTCOME_COMMITTED
	}
	return ack(r.transactionID, outcome, r.reason), write(tx, r)
}

func vote(message *commitv1.Prepare, voted record) answer {
	value := commitv1.VoteValue_VOTE_VALUE_ABORT
	switch voted.state {
	case prepared:
		value = commitv1.VoteValue_VOTE_VALUE_COMMIT
	case readOnly:
		value = commitv1.VoteValue_VOTE_VALUE_READ_ONLY
	}
	return &commitv1.ParticipateRequest{Body: &commitv1.ParticipateRequest_Vote{Vote: &commitv1.Vote{
		TransactionId: message.TransactionId, Attempt: message.Attempt, Value: value, Reason: voted.reason,
	}}}
}

func ack(transactionID string, outcome commitv1.Outcome, reason string) answer {
	return &commitv1.ParticipateRequest{Body: &commitv1.ParticipateRequest_DecisionAck{DecisionAck: &commitv1.DecisionAck{
		TransactionId: transactionID, Outcome: outcome, Reason: reason,
	}}}
}

// cut keeps the beginning, whole characters of UTF-8, which are all that a message may have.
func cut(text string) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), reasonMax)])
}
