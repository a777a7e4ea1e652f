package main

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	concord "concord/clients/go"
	commitv1 "concord/clients/go/gen/concord/commit/v1"
	"concord/clients/go/internal/testserver"
	"concord/clients/go/participant"

	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	committed = commitv1.Outcome_OUTCOME_COMMITTED
	aborted   = commitv1.Outcome_OUTCOME_ABORTED
)

// TestMain is the program, if a test has started it as that.
func TestMain(m *testing.M) {
	if os.Getenv("AS_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// until polls: the time is for what hangs, not for what is slow.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for ends := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(ends) {
			t.Fatalf("never: %s", what)
		}
	}
}

type world struct {
	t        *testing.T
	server   *testserver.Server
	client   *concord.Client
	database string
}

func newWorld(t *testing.T) *world {
	t.Parallel()
	server := testserver.Serve(t)
	client, err := concord.Dial(server.Address, "ada")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return &world{t, server, client, filepath.Join(t.TempDir(), "seats.sqlite")}
}

func (w *world) start(as participant.Options) (*participant.Participant, error) {
	as.Database, as.Resource = w.database, seats{}
	return participant.Start(as)
}

func (w *world) participant(logger *slog.Logger) *participant.Participant {
	w.t.Helper()
	p, err := w.start(participant.Options{Coordinators: []string{w.server.Address}, ID: "seats", Logger: logger})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { p.Close() })
	return p
}

func (w *world) run(command *exec.Cmd) *exec.Cmd {
	w.t.Helper()
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { kill(command) })
	return command
}

func kill(command *exec.Cmd) {
	_ = command.Process.Kill()
	_ = command.Wait()
}

// till is a second participant, of Concord's own kind, that votes as it is told.
func (w *world) till() *exec.Cmd {
	w.t.Helper()
	return w.run(exec.Command(
		testserver.Concord, "participant", "till", "--obey", "--address", w.server.Address, "--data-dir", filepath.Join(w.t.TempDir(), "till"),
	))
}

// program is this one, in a process of its own.
func (w *world) program() *exec.Cmd {
	w.t.Helper()
	command := exec.Command(os.Args[0], w.server.Address, w.database)
	command.Env = append(os.Environ(), "AS_PROGRAM=yes")
	return w.run(command)
}

func (w *world) execute(payloads map[string]string) (*commitv1.Transaction, error) {
	request := &commitv1.ExecuteTransactionRequest{
		RequestedBy: "ada", WaitForParticipants: durationpb.New(time.Minute), PrepareTimeout: durationpb.New(time.Minute),
	}
	for id, payload := range payloads {
		request.Participants = append(request.Participants, &commitv1.Enlistment{ParticipantId: id, Payload: []byte(payload)})
	}
	answer, err := w.client.Transactions.ExecuteTransaction(w.t.Context(), request)
	return answer.GetTransaction(), err
}

func (w *world) outcome(payloads map[string]string) commitv1.Outcome {
	w.t.Helper()
	transaction, err := w.execute(payloads)
	if err != nil {
		w.t.Fatal(err)
	}
	return transaction.Outcome
}

// ask reads the database as another process would.
func (w *world) ask(query string) string {
	db, err := sql.Open("sqlite", w.database)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	var found sql.NullString
	_ = db.QueryRow(query).Scan(&found)
	return found.String
}

func (w *world) seats() string {
	return w.ask("SELECT group_concat(seat || ' ' || sold, ', ' ORDER BY seat) FROM seats")
}

func (w *world) hasPromised() bool {
	return w.ask("SELECT state FROM concord_transactions") == "prepared"
}

func (w *world) bothAreConnected() {
	w.t.Helper()
	until(w.t, "both are connected", func() bool {
		answer, err := w.client.Transactions.ListParticipants(w.t.Context(), &commitv1.ListParticipantsRequest{})
		isConnected := map[string]bool{}
		for _, each := range answer.GetParticipants() {
			isConnected[each.ParticipantId] = each.Connected
		}
		return err == nil && isConnected["seats"] && isConnected["till"]
	})
}

func TestALoneParticipantDecides(t *testing.T) {
	w := newWorld(t)
	w.participant(nil)
	if w.outcome(map[string]string{"seats": "12A"}) != committed {
		t.Error("12A is not sold")
	}
	refused, err := w.execute(map[string]string{"seats": "12A"})
	if err != nil || refused.Outcome != aborted || !strings.Contains(refused.AbortReason, "seat 12A is taken") {
		t.Errorf("%v %v", refused, err)
	}
	if w.seats() != "12A 1" {
		t.Error(w.seats())
	}
}

func TestAllOrNothing(t *testing.T) {
	w := newWorld(t)
	p := w.participant(nil)
	w.till()
	for _, each := range []struct {
		seat, till string
		outcome    commitv1.Outcome
	}{{"12A", "commit", committed}, {"12B", "abort", aborted}, {"none", "commit", committed}, {"fault", "commit", aborted}} {
		if outcome := w.outcome(map[string]string{"seats": each.seat, "till": each.till}); outcome != each.outcome {
			t.Errorf("%v: %v", each, outcome)
		}
	}
	until(t, "what was aborted is undone", func() bool { return w.seats() == "12A 1" })
	if inDoubt, err := p.InDoubt(); err != nil || len(inDoubt) != 0 {
		t.Errorf("%v %v", inDoubt, err)
	}
}

func TestAParticipantThatIsKilledInDoubtKeepsItsPromise(t *testing.T) {
	w := newWorld(t)
	program, till := w.program(), w.till()
	w.bothAreConnected()
	_ = till.Process.Signal(syscall.SIGSTOP)
	decided := make(chan commitv1.Outcome, 1)
	go func() {
		transaction, _ := w.execute(map[string]string{"seats": "12A", "till": "commit"})
		decided <- transaction.GetOutcome()
	}()
	until(t, "it has promised", w.hasPromised)
	kill(program)
	w.program()
	_ = till.Process.Signal(syscall.SIGCONT)
	if outcome := <-decided; outcome != committed {
		t.Errorf("%v", outcome)
	}
	until(t, "the promise is kept", func() bool { return w.seats() == "12A 1" })
}

func TestWhatAKilledCoordinatorHadNotDecidedIsUndone(t *testing.T) {
	w := newWorld(t)
	p := w.participant(nil)
	till := w.till()
	w.bothAreConnected()
	_ = till.Process.Signal(syscall.SIGSTOP)
	failed := make(chan error, 1)
	go func() {
		_, err := w.execute(map[string]string{"seats": "12A", "till": "commit"})
		failed <- err
	}()
	until(t, "it has promised", w.hasPromised)
	if inDoubt, err := p.InDoubt(); err != nil || len(inDoubt) != 1 {
		t.Errorf("%v %v", inDoubt, err)
	}
	w.server.Kill()
	if <-failed == nil {
		t.Error("it was decided")
	}
	w.server.Start()
	until(t, "the promise is given back", func() bool { return w.seats() == "" && !w.hasPromised() })
}

func TestALogBelongsToOneParticipantAndOneProcess(t *testing.T) {
	t.Parallel()
	w := &world{t: t, database: filepath.Join(t.TempDir(), "seats.sqlite")}
	p, err := w.start(participant.Options{ID: "seats"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.start(participant.Options{ID: "seats"}); err == nil || !strings.Contains(err.Error(), "is in use by another process") {
		t.Errorf("%v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.start(participant.Options{ID: "tables"}); err == nil || !strings.Contains(err.Error(), `is the log of participant "seats"`) {
		t.Errorf("%v", err)
	}
}

// notice is done when the text was written.
type notice struct {
	text string
	seen atomic.Bool
}

func (n *notice) Write(line []byte) (int, error) {
	if strings.Contains(string(line), n.text) {
		n.seen.Store(true)
	}
	return len(line), nil
}

func TestADecisionLogThatWasRestoredIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	older := t.TempDir()
	w.server.Stop()
	if err := os.CopyFS(older, os.DirFS(w.server.Data)); err != nil {
		t.Fatal(err)
	}
	w.server.Start()
	isInSession, isFoundOut := &notice{text: "in session"}, &notice{text: "does not go on from it"}
	w.participant(slog.New(slog.NewTextHandler(io.MultiWriter(isInSession, isFoundOut), nil)))
	until(t, "it has seen the newer log", isInSession.seen.Load)
	w.server.Stop()
	if err := os.RemoveAll(w.server.Data); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(w.server.Data, os.DirFS(older)); err != nil {
		t.Fatal(err)
	}
	w.server.Start()
	until(t, "the older log is found out", isFoundOut.seen.Load)
}

func TestTheProgramOfTheReadmeRuns(t *testing.T) {
	w := newWorld(t)
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(string(readme))[1]
	program = strings.ReplaceAll(program, "127.0.0.1:50051", w.server.Address)
	program = strings.ReplaceAll(program, "notes.sqlite", w.database)
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "run", file)
	command.Stderr = os.Stderr
	if output, err := command.Output(); err != nil || string(output) != "1 \n2 begin\n" {
		t.Errorf("%q %v", output, err)
	}
}

func TestTheProgramSaysHowItIsStarted(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"127.0.0.1:1"}, {"--coordinator", "127.0.0.1:1"}, {"a", "b", "c"}} {
		command := exec.Command(os.Args[0], args...)
		command.Env = append(os.Environ(), "AS_PROGRAM=yes")
		told, _ := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != 2 || !strings.HasSuffix(string(told), "usage: seats ADDRESS DATABASE\n") {
			t.Errorf("%v: exit code %d, %s", args, code, told)
		}
	}
}
