package participant

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	commitv1 "concord/clients/go/gen/concord/commit/v1"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// outgoing is what this side says on a stream, in order, from any goroutine. What cannot be sent shows where the stream is read: it has ended.
type outgoing struct {
	stream   grpc.BidiStreamingClient[commitv1.ParticipateRequest, commitv1.ParticipateResponse]
	mutex    sync.Mutex
	sequence uint64
	hasEnded bool
	// The sequence of the last message that was handled.
	handled atomic.Uint64
}

func (o *outgoing) say(message *commitv1.ParticipateRequest) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if !o.hasEnded {
		o.sequence++
		message.Sequence = o.sequence
		_ = o.stream.Send(message)
	}
}

func (o *outgoing) nack(nack *commitv1.Nack) {
	o.say(&commitv1.ParticipateRequest{Body: &commitv1.ParticipateRequest_Nack{Nack: nack}})
}

// beat lasts until the context ends.
func (o *outgoing) beat(ctx context.Context, interval time.Duration) {
	ticks := time.NewTicker(max(interval, time.Millisecond))
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			heartbeat := &commitv1.Heartbeat{SentAt: timestamppb.Now(), LastSequenceSeen: o.handled.Load()}
			o.say(&commitv1.ParticipateRequest{Body: &commitv1.ParticipateRequest_Heartbeat{Heartbeat: heartbeat}})
		}
	}
}

// end half-closes the stream behind what was said before.
func (o *outgoing) end() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.hasEnded = true
	_ = o.stream.CloseSend()
}
