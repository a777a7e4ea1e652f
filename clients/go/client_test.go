package concord

import (
	"context"
	"maps"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	errorv1 "concord/clients/go/gen/concord/error/v1"
	workflowv1 "concord/clients/go/gen/concord/workflow/v1"
	"concord/clients/go/internal/pause"
	"concord/clients/go/internal/testserver"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestTheTableIsThatOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/retries.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]Advice{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z_]+) \| [A-Z_, or]+ \| ([a-z ]+) \| ([a-z]+) \|$`).FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = Advice{Outcome(row[2]), Retry(row[3])}
	}
	if !maps.Equal(documented, Reasons) {
		t.Errorf("reasons.go has %v, docs/retries.md has %v", Reasons, documented)
	}
	for name, number := range errorv1.ErrorReason_value {
		if _, known := Reasons[strings.TrimPrefix(name, "ERROR_REASON_")]; !known && number != 0 {
			t.Errorf("no advice for %s", name)
		}
	}
}

func TestWhatConcordHasNotAnsweredIsForTheSameRequestAgain(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal} {
		if advice := FailureOf(status.Error(code, "channel closed")).Advice(); advice != (Advice{Unknown, RetrySame}) {
			t.Errorf("%s: %v", code, advice)
		}
	}
}

func dial(t *testing.T, s *testserver.Server) *Client {
	client, err := Dial(s.Address, "ada")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func create(t *testing.T, client *Client, workflowID string) {
	if _, err := client.Create(t.Context(), &workflowv1.CreateWorkflowRequest{WorkflowId: workflowID}); err != nil {
		t.Fatal(err)
	}
}

func move(workflowID string, to workflowv1.WorkflowState) *workflowv1.TransitionWorkflowRequest {
	return &workflowv1.TransitionWorkflowRequest{WorkflowId: workflowID, TargetState: to, Reason: "a test"}
}

const (
	active    = workflowv1.WorkflowState_WORKFLOW_STATE_ACTIVE
	paused    = workflowv1.WorkflowState_WORKFLOW_STATE_PAUSED
	completed = workflowv1.WorkflowState_WORKFLOW_STATE_COMPLETED
)

func TestARefusalSaysWhyAndIsNotRepeated(t *testing.T) {
	client := dial(t, testserver.Serve(t))
	create(t, client, "wf-1")
	create(t, client, "wf-1")
	_, err := client.Transition(t.Context(), move("wf-1", completed))
	if failure := FailureOf(err); failure.Reason != "INVALID_TRANSITION" || failure.Metadata["allowed"] != "ACTIVE" {
		t.Errorf("%v", failure)
	}
	_, err = client.Transition(t.Context(), move("wf 1", active))
	if failure := FailureOf(err); len(failure.Violations) != 1 || !strings.HasPrefix(failure.Violations[0], "workflow_id: ") {
		t.Errorf("%v: %v", failure, failure.Violations)
	}
}

func TestChangesOfManyAtOnceAreAllMade(t *testing.T) {
	client := dial(t, testserver.Serve(t))
	metadata, _ := structpb.NewStruct(map[string]any{"count": 0})
	request := &workflowv1.CreateWorkflowRequest{WorkflowId: "counter", Metadata: metadata}
	if _, err := client.Create(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	addOne := func(workflow *workflowv1.Workflow) (*workflowv1.Workflow, error) {
		patch, _ := structpb.NewStruct(map[string]any{"count": workflow.Metadata.Fields["count"].GetNumberValue() + 1})
		return client.Update(t.Context(), &workflowv1.UpdateWorkflowMetadataRequest{
			WorkflowId: "counter", ExpectedVersion: proto.Int64(workflow.Version), Reason: "another one", MetadataPatch: patch,
		})
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				if _, err := client.Change(t.Context(), "counter", addOne); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	workflow, err := client.Get(t.Context(), "counter")
	if err != nil || workflow.Metadata.Fields["count"].GetNumberValue() != 20 || workflow.Version != 21 {
		t.Errorf("%v %v", workflow, err)
	}
}

func TestACallOutlivesAKillOfTheServerAndIsMadeOnce(t *testing.T) {
	s := testserver.Serve(t)
	client := dial(t, s)
	create(t, client, "wf-1")
	s.Kill()
	var back sync.WaitGroup
	back.Go(s.Start)
	request := move("wf-1", active)
	request.RequestId = "once"
	for range 2 {
		if workflow, err := client.Transition(t.Context(), request); err != nil || workflow.Version != 2 {
			t.Fatalf("%v %v", workflow, err)
		}
	}
	back.Wait()
}

func TestWhoHasNoTimeLeftHearsThatTheOutcomeIsUnknown(t *testing.T) {
	s := testserver.Serve(t)
	s.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), pause.Shortest/2)
	defer cancel()
	_, err := dial(t, s).Get(ctx, "wf-1")
	if failure := FailureOf(err); failure.Reason != "" || failure.Advice() != (Advice{Unknown, RetrySame}) {
		t.Errorf("%v", failure)
	}
}

func TestAWatchGoesOnWhereItWasAfterAKill(t *testing.T) {
	s := testserver.Serve(t)
	client := dial(t, s)
	create(t, client, "wf-1")
	var versions []int64
	for event, err := range client.Watch(t.Context(), 0, &workflowv1.WatchWorkflowEventsRequest{WorkflowId: "wf-1"}) {
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, event.Version)
		switch event.Version {
		case 1:
			if _, err := client.Transition(t.Context(), move("wf-1", active)); err != nil {
				t.Fatal(err)
			}
			s.Kill()
			s.Start()
			if _, err := client.Transition(t.Context(), move("wf-1", paused)); err != nil {
				t.Fatal(err)
			}
		case 3:
			if len(versions) != 3 {
				t.Errorf("%v", versions)
			}
			return
		}
	}
}

func TestAWatchThatNoLaterStreamCouldGoOnWithSaysSo(t *testing.T) {
	client := dial(t, testserver.Serve(t))
	for _, err := range client.Watch(t.Context(), 0, &workflowv1.WatchWorkflowEventsRequest{Filter: "event.nonsense +"}) {
		if failure := FailureOf(err); failure.Reason != "INVALID_REQUEST" {
			t.Errorf("%v", failure)
		}
	}
}
