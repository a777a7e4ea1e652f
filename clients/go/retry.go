package concord

import (
	"context"
	"crypto/rand"
	"time"

	"concord/clients/go/internal/pause"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

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
	var between pause.Growing
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
		length := between.Next(failure.RetryAfter)
		if deadline, has := ctx.Deadline(); has && time.Until(deadline) < length {
			return answer, failure
		}
		if pause.For(ctx, length) != nil {
			return answer, failure
		}
	}
}
