package concord

import (
	"context"
	"iter"

	workflowv1 "concord/clients/go/gen/concord/workflow/v1"
	"concord/clients/go/internal/pause"

	"google.golang.org/protobuf/proto"
)

// Watch has every matching event after a sequence, once each, in order, however often the stream ends, until the context does. Keep the sequence
// of the last one that you have dealt with, and begin with it after a restart. The last pair has the *Failure where no later stream could do
// better, such as REVISION_COMPACTED, or the context's error. `request.Start` is ignored.
func (c *Client) Watch(
	ctx context.Context,
	afterSequence int64,
	request *workflowv1.WatchWorkflowEventsRequest,
) iter.Seq2[*workflowv1.WorkflowEvent, error] {
	return func(yield func(*workflowv1.WorkflowEvent, error) bool) {
		request := proto.CloneOf(request)
		var between pause.Growing
		for {
			request.Start = &workflowv1.WatchWorkflowEventsRequest_AfterSequence{AfterSequence: afterSequence}
			open := false
			failure, goOn := c.follow(ctx, request, func(message *workflowv1.WatchWorkflowEventsResponse) bool {
				open = true
				between = pause.Growing{}
				if event := message.GetEvent(); event != nil {
					afterSequence = event.Sequence
					return yield(event, nil)
				}
				afterSequence = max(afterSequence, message.GetProgress().GetSequence())
				return true
			})
			if !goOn {
				return
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			// What has proved who watches has ended: there may be another proof already.
			hasExpired := open && failure.Reason == "UNAUTHENTICATED"
			if !mayRepeat(failure) && !hasExpired {
				yield(nil, failure)
				return
			}
			if err := pause.For(ctx, between.Next(failure.RetryAfter)); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// follow is one stream: how it failed, or false if the caller wants no more.
func (c *Client) follow(
	ctx context.Context,
	request *workflowv1.WatchWorkflowEventsRequest,
	each func(*workflowv1.WatchWorkflowEventsResponse) bool,
) (*Failure, bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Workflows.WatchWorkflowEvents(ctx, request)
	for err == nil {
		var message *workflowv1.WatchWorkflowEventsResponse
		if message, err = stream.Recv(); err == nil && !each(message) {
			return nil, false
		}
	}
	return FailureOf(err), true
}
