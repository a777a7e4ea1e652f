package participant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	commitv1 "concord/clients/go/gen/concord/commit/v1"
)

const (
	// Prepares that wait here are in memory; they are handled one by one.
	prepareCredit = 64
	// As many as Hello may have. The others are asked about after Welcome.
	inDoubtMax = 10_000
	// Rival processes with one id are kept waiting for up to 5 s.
	welcomeWithin = 15 * time.Second
	// What has arrived while this process stood still is read before the other side is called silent.
	stoodStillFor = time.Second
	// A coordinator has sent again by then whatever it has not heard the end of, so that old outcomes may be forgotten.
	soundAfter = 5 * time.Minute
	// For the last word to be heard.
	goodbyeWithin = 5 * time.Second
	// Between attempts to carry out a decision.
	againMin = 100 * time.Millisecond
	againMax = 30 * time.Second
)

var errSilent = errors.New("the coordinator is silent")

// logWentBack is of a coordinator that has forgotten what it decided.
type logWentBack struct {
	coordinatorID string
	seen          claim
}

func (e logWentBack) Error() string {
	return fmt.Sprintf("decision log %s was in epoch %d before, and does not go on from it", e.coordinatorID, e.seen.epoch)
}

// received is a message, or how the stream has ended: io.EOF is in order.
type received struct {
	message *commitv1.ParticipateResponse
	err     error
}

// overdue is a decision that could not be carried out yet.
type overdue struct {
	sequence uint64
	decision *commitv1.Decision
	at       time.Time
	pause    time.Duration
}

// session is one stream to a coordinator, from Hello to its end.
type session struct {
	steps         *steps
	logger        *slog.Logger
	outgoing      *outgoing
	incoming      chan received
	again         map[string]overdue
	coordinatorID string
	isLeaving     bool
	// How long to stay away after its end, if the coordinator has said so.
	reconnectAfter time.Duration
}

// run lasts until the stream has ended, or `leave` is done and Goodbye is said: nil, if that was in order.
func (s *session) run(leave context.Context, client commitv1.TwoPhaseCommitClient, hello *commitv1.Hello) error {
	// It outlives `leave`, for what is to be said then.
	ctx, cancel := context.WithCancel(context.WithoutCancel(leave))
	defer cancel()
	inDoubt, err := s.steps.log.inDoubt()
	if err != nil {
		return err
	}
	asked := min(len(inDoubt), inDoubtMax)
	for _, each := range inDoubt[:asked] {
		hello.InDoubt = append(hello.InDoubt, &commitv1.InDoubt{TransactionId: each.transactionID, CoordinatorId: each.coordinatorID})
	}
	stream, err := client.Participate(ctx)
	if err != nil {
		return err
	}
	s.outgoing = &outgoing{stream: stream}
	s.outgoing.say(&commitv1.ParticipateRequest{Body: &commitv1.ParticipateRequest_Hello{Hello: hello}})
	go s.read(ctx)
	welcome, err := s.welcome(leave)
	if err != nil {
		return ended(err)
	}
	go s.outgoing.beat(ctx, welcome.HeartbeatInterval.AsDuration())
	for _, each := range inDoubt[asked:] {
		if each.coordinatorID == s.coordinatorID {
			inquiry := &commitv1.Inquiry{TransactionId: each.transactionID, CoordinatorId: each.coordinatorID}
			s.outgoing.say(&commitv1.ParticipateRequest{Body: &commitv1.ParticipateRequest_Inquiry{Inquiry: inquiry}})
		}
	}
	return ended(s.converse(leave, welcome.SessionTimeout.AsDuration()))
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (s *session) read(ctx context.Context) {
	for {
		message, err := s.outgoing.stream.Recv()
		select {
		case <-ctx.Done():
			return
		case s.incoming <- received{message, err}:
		}
		if err != nil {
			return
		}
	}
}

// welcome waits for it, and writes down whom it is from before anything is believed.
func (s *session) welcome(leave context.Context) (*commitv1.Welcome, error) {
	timeout := time.After(welcomeWithin)
	for {
		select {
		case <-leave.Done():
			return nil, leave.Err()
		case <-timeout:
			return nil, errSilent
		case next := <-s.incoming:
			if next.err != nil {
				return nil, next.err
			}
			if welcome := next.message.GetWelcome(); welcome != nil {
				return welcome, s.open(next.message.Sequence, welcome)
			}
			s.outgoing.nack(&commitv1.Nack{Sequence: next.message.Sequence, Reason: "it came before Welcome"})
		}
	}
}

func (s *session) open(sequence uint64, welcome *commitv1.Welcome) error {
	var seen claim
	goesOn := false
	err := s.steps.log.transaction(func(tx *sql.Tx) (err error) {
		if seen, err = seenOf(tx, welcome.CoordinatorId); err != nil {
			return err
		}
		if goesOn = goesOnFrom(seen, welcome.Claims); !goesOn || len(welcome.Claims) == 0 {
			return nil
		}
		return writeSeen(tx, welcome.CoordinatorId, claim{welcome.Claims[0].Epoch, welcome.Claims[0].Id})
	})
	if err != nil {
		return err
	}
	if !goesOn {
		s.outgoing.nack(&commitv1.Nack{
			Sequence: sequence, Reason: "the decision log is older than what was seen of it",
			ClaimSeen: &commitv1.Claim{Epoch: seen.epoch, Id: seen.id},
		})
		s.hangUp()
		return logWentBack{welcome.CoordinatorId, seen}
	}
	s.coordinatorID = welcome.CoordinatorId
	s.outgoing.handled.Store(sequence)
	s.logger.Info("in session", "coordinator_id", welcome.CoordinatorId, "coordinator_epoch", welcome.CoordinatorEpoch)
	return nil
}

func (s *session) converse(leave context.Context, timeout time.Duration) error {
	silence := time.NewTimer(timeout)
	defer silence.Stop()
	sound := time.After(soundAfter)
	stoodStill := false
	for {
		select {
		case <-leave.Done():
			return s.sayGoodbye()
		case next := <-s.incoming:
			if next.err != nil {
				return next.err
			}
			s.handle(next.message)
			stoodStill = false
			silence.Reset(timeout)
		case <-silence.C:
			if stoodStill {
				return errSilent
			}
			stoodStill = true
			silence.Reset(stoodStillFor)
		case <-s.nextDue():
			s.carryOutDue()
		case <-sound:
			if err := s.steps.log.forget(s.coordinatorID); err != nil {
				s.logger.Warn("old outcomes could not be forgotten", "error", err)
			}
		}
	}
}

func (s *session) handle(message *commitv1.ParticipateResponse) {
	defer s.outgoing.handled.Store(message.Sequence)
	switch body := message.Body.(type) {
	case *commitv1.ParticipateResponse_Prepare:
		said, err := s.steps.prepare(body.Prepare, s.coordinatorID, s.isLeaving)
		s.answer(message.Sequence, said, err)
	case *commitv1.ParticipateResponse_Decision:
		s.decide(message.Sequence, body.Decision, againMin)
	case *commitv1.ParticipateResponse_GoAway:
		s.reconnectAfter = body.GoAway.ReconnectAfter.AsDuration()
	case *commitv1.ParticipateResponse_Nack:
		s.logger.Warn("the coordinator did not take a message", "sequence", body.Nack.Sequence, "reason", body.Nack.Reason)
	case *commitv1.ParticipateResponse_Heartbeat:
	default:
		s.answer(message.Sequence, nil, refusal("its kind is not known"))
	}
}

// answer says what has come of a message. Nothing was written if it is an error: the coordinator asks again, or aborts what has not voted.
func (s *session) answer(sequence uint64, said answer, err error) {
	if err == nil {
		s.outgoing.say(said)
		return
	}
	reason := "it could not be handled"
	if refused, is := errors.AsType[refusal](err); is {
		reason = cut(string(refused))
	}
	s.logger.Warn("a message is not taken", "sequence", sequence, "error", err)
	s.outgoing.nack(&commitv1.Nack{Sequence: sequence, Reason: reason})
}

// decide tries again after a pause what could not be done: a promise binds.
func (s *session) decide(sequence uint64, decision *commitv1.Decision, pause time.Duration) {
	delete(s.again, decision.TransactionId)
	said, err := s.steps.decide(decision, s.coordinatorID)
	if _, is := errors.AsType[refusal](err); err == nil || is {
		s.answer(sequence, said, err)
		return
	}
	s.logger.Error("a promise could not be kept yet", "transaction_id", decision.TransactionId, "error", err)
	s.again[decision.TransactionId] = overdue{sequence, decision, time.Now().Add(pause), min(2*pause, againMax)}
}

func (s *session) nextDue() <-chan time.Time {
	if len(s.again) == 0 {
		return nil
	}
	at := time.Now().Add(againMax)
	for _, each := range s.again {
		if each.at.Before(at) {
			at = each.at
		}
	}
	return time.After(time.Until(at))
}

func (s *session) carryOutDue() {
	for _, each := range s.again {
		if !each.at.After(time.Now()) {
			s.decide(each.sequence, each.decision, each.pause)
		}
	}
}

// sayGoodbye answers what has arrived, new work with a no. What is prepared stays prepared.
func (s *session) sayGoodbye() error {
	s.isLeaving = true
	goodbye := &commitv1.Goodbye{Reason: "the participant is closed"}
	s.outgoing.say(&commitv1.ParticipateRequest{Body: &commitv1.ParticipateRequest_Goodbye{Goodbye: goodbye}})
	for {
		select {
		case next := <-s.incoming:
			if next.err != nil {
				return next.err
			}
			s.handle(next.message)
		default:
			s.hangUp()
			return nil
		}
	}
}

// hangUp ends this side, and waits until the other has read what was said last.
func (s *session) hangUp() {
	s.outgoing.end()
	timeout := time.After(goodbyeWithin)
	for {
		select {
		case <-timeout:
			return
		case next := <-s.incoming:
			if next.err != nil {
				return
			}
		}
	}
}
