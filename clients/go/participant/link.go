package participant

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	concord "concord/clients/go"
	commitv1 "concord/clients/go/gen/concord/commit/v1"
	"concord/clients/go/internal/pause"

	"google.golang.org/grpc/codes"
)

// link keeps a session with one coordinator: for ever, until it is told to leave.
type link struct {
	client commitv1.TwoPhaseCommitClient
	steps  *steps
	logger *slog.Logger
	hello  func() *commitv1.Hello
}

func (l *link) run(leave context.Context) {
	var between pause.Growing
	told := ""
	for leave.Err() == nil {
		s := &session{steps: l.steps, logger: l.logger, incoming: make(chan received, prepareCredit), again: map[string]overdue{}}
		err := s.run(leave, l.client, l.hello())
		if s.coordinatorID != "" {
			between, told = pause.Growing{}, ""
		}
		next := between.Next(s.reconnectAfter)
		switch {
		case err == nil:
		case isHopeless(err):
			if err.Error() != told {
				l.logger.Error("the coordinator will not do", "error", err)
				told = err.Error()
			}
			next = 30*time.Second + rand.N(30*time.Second)
		default:
			l.logger.Info("the session has ended", "error", err)
		}
		_ = pause.For(leave, next)
	}
}

// isHopeless is true of what comes again, whatever is tried.
func isHopeless(err error) bool {
	if _, is := errors.AsType[logWentBack](err); is {
		return true
	}
	switch concord.FailureOf(err).Code {
	case codes.FailedPrecondition, codes.InvalidArgument, codes.Unimplemented, codes.PermissionDenied, codes.Unauthenticated:
		return true
	default:
		return false
	}
}
