// Package concord is a client of Concord: calls that are tried again by the table of docs/retries.md, optimistic changes, watches that go on.
package concord

import (
	"context"
	"time"

	commitv1 "concord/clients/go/gen/concord/commit/v1"
	predicatev1 "concord/clients/go/gen/concord/predicate/v1"
	workflowv1 "concord/clients/go/gen/concord/workflow/v1"
	"concord/clients/go/internal/connection"

	"google.golang.org/grpc"
)

// attemptTimeout bounds one attempt; the caller's context bounds all of them together.
const attemptTimeout = 10 * time.Second

// Client has the stubs, for Call, and what most need. It is safe for use by several goroutines.
type Client struct {
	Workflows    workflowv1.WorkflowServiceClient
	Rules        predicatev1.PredicateLogicClient
	Transactions commitv1.TwoPhaseCommitClient
	requestedBy  string
	connection   *grpc.ClientConn
}

// Dial connects when it is needed. `requestedBy` stands in each event.
func Dial(address, requestedBy string, options ...grpc.DialOption) (*Client, error) {
	connection, err := connection.New(address, options...)
	if err != nil {
		return nil, err
	}
	return &Client{
		Workflows:    workflowv1.NewWorkflowServiceClient(connection),
		Rules:        predicatev1.NewPredicateLogicClient(connection),
		Transactions: commitv1.NewTwoPhaseCommitClient(connection),
		requestedBy:  requestedBy,
		connection:   connection,
	}, nil
}

// Close ends what is under way.
func (c *Client) Close() error { return c.connection.Close() }

// Create returns the workflow that is there if it is the same, so it may be called again after a crash.
func (c *Client) Create(ctx context.Context, request *workflowv1.CreateWorkflowRequest) (*workflowv1.Workflow, error) {
	request.RequestedBy = c.requestedBy
	request.IfExists = workflowv1.IfExists_IF_EXISTS_RETURN
	answer, err := Call(ctx, attemptTimeout, c.Workflows.CreateWorkflow, request)
	return answer.GetWorkflow(), err
}

// Get reads a workflow.
func (c *Client) Get(ctx context.Context, workflowID string) (*workflowv1.Workflow, error) {
	answer, err := Call(ctx, attemptTimeout, c.Workflows.GetWorkflow, &workflowv1.GetWorkflowRequest{WorkflowId: workflowID})
	return answer.GetWorkflow(), err
}

// Transition moves a workflow. What is in request.Enlist commits with the move, or nothing does.
func (c *Client) Transition(ctx context.Context, request *workflowv1.TransitionWorkflowRequest) (*workflowv1.Workflow, error) {
	request.RequestedBy = c.requestedBy
	answer, err := Call(ctx, attemptTimeout, c.Workflows.TransitionWorkflow, request)
	return answer.GetWorkflow(), err
}

// Update changes the metadata of a workflow.
func (c *Client) Update(ctx context.Context, request *workflowv1.UpdateWorkflowMetadataRequest) (*workflowv1.Workflow, error) {
	request.RequestedBy = c.requestedBy
	answer, err := Call(ctx, attemptTimeout, c.Workflows.UpdateWorkflowMetadata, request)
	return answer.GetWorkflow(), err
}

// Change reads the workflow and has `change` do something with it that expects its version, such as Transition or Update; if somebody was
// faster, it begins again. `change` may be called several times.
func (c *Client) Change(
	ctx context.Context,
	workflowID string,
	change func(*workflowv1.Workflow) (*workflowv1.Workflow, error),
) (*workflowv1.Workflow, error) {
	for {
		workflow, err := c.Get(ctx, workflowID)
		if err != nil {
			return nil, err
		}
		changed, err := change(workflow)
		if err == nil || FailureOf(err).Reason != "VERSION_MISMATCH" || ctx.Err() != nil {
			return changed, err
		}
	}
}
