package concord

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 5 * time.Second
)

// pauses grow, and are jittered, so that clients that failed together do not come back together.
type pauses struct{ longest time.Duration }

func (p *pauses) next(atLeast time.Duration) time.Duration {
	p.longest = min(max(pauseMin, 2*p.longest), pauseMax)
	return max(atLeast, p.longest/2+mathrand.N(p.longest/2))
}

// wait ends earlier with the context.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// mayRepeat is true of what the table says `same` of, but for an abort: a participant may have said why it will not, so look at the violations.
func mayRepeat(failure *Failure) bool {
	return failure.Advice().Retry == RetrySame && failure.Reason != "TRANSACTION_ABORTED"
}

// withRequestID gives a change one id for all attempts. The caller's message stays as it is.
func withRequestID[Request proto.Message](request Request) Request {
	message := request.ProtoReflect()
	field := message.Descriptor().Fields().ByName("request_id")
	if field == nil || message.Get(field).String() != "" {
		return request
	}
	copied := proto.CloneOf(request)
	copied.ProtoReflect().Set(field, protoreflect.ValueOfString(rand.Text()))
	return copied
}

// Call is any unary RPC of Concord, tried again where the table says `same`, as long as the context lasts, each time for `timeout`. The error is a
// *Failure: the last one.
func Call[Request proto.Message, Answer any](
	ctx context.Context,
	timeout time.Duration,
	method func(context.Context, Request, ...grpc.CallOption) (Answer, error),
	request Request,
) (Answer, error) {
	request = withRequestID(request)
	var between pauses
	for {
		attempt, cancel := context.WithTimeout(ctx, timeout)
		answer, err := method(attempt, request)
		cancel()
		if err == nil {
			return answer, nil
		}
		failure := FailureOf(err)
		if !mayRepeat(failure) || ctx.Err() != nil {
			return answer, failure
		}
		pause := between.next(failure.RetryAfter)
		if deadline, has := ctx.Deadline(); has && time.Until(deadline) < pause {
			return answer, failure
		}
		if wait(ctx, pause) != nil {
			return answer, failure
		}
	}
}
