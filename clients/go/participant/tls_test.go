package participant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	concord "concord/clients/go"
	commitv1 "concord/clients/go/gen/concord/commit/v1"
	"concord/clients/go/internal/testserver"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/durationpb"
)

type nothing struct{}

func (nothing) Prepare(context.Context, *sql.Tx, string, []byte) error { return nil }
func (nothing) Commit(context.Context, *sql.Tx, string, []byte) error  { return nil }
func (nothing) Abort(context.Context, *sql.Tx, string, []byte) error   { return nil }

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestClientsAndParticipantsProveWhoTheyAreOverMutualTLS(t *testing.T) {
	certs := t.TempDir()
	must[[]byte](t)(exec.Command(testserver.Concord, "dev-certs", certs, "--client", "ada").CombinedOutput())
	file := func(name string) string { return filepath.Join(certs, name+".pem") }
	s := testserver.Serve(t, "--tls-cert", file("server"), "--tls-key", file("server-key"), "--tls-client-ca", file("ca"))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must[[]byte](t)(os.ReadFile(file("ca"))))
	pair := must[tls.Certificate](t)(tls.LoadX509KeyPair(file("ada"), file("ada-key")))
	secure := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}))
	commits(t, s.Address, secure)
}

func TestClientsAndParticipantsProveWhoTheyAreByTokens(t *testing.T) {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	must[[]byte](t)(exec.Command(testserver.Concord, "dev-certs", folder).CombinedOutput())
	made := must[[]byte](t)(exec.Command(testserver.Concord, "token", "new", "--principal", "ada", "--to", file("token"), "-o", "json").Output())
	var shown struct{ Entry json.RawMessage }
	if err := json.Unmarshal(made, &shown); err != nil {
		t.Fatal(err)
	}
	access := `{"authentication": {"tokens": [` + string(shown.Entry) + `]}, "grants": [{"principals": ["ada"], "roles": ["client"]},
		{"principals": ["ada"], "roles": ["participant"], "participants": ["go"]}]}`
	if err := os.WriteFile(file("access.yaml"), []byte(access), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testserver.Serve(t, "--tls-cert", file("server.pem"), "--tls-key", file("server-key.pem"), "--access", file("access.yaml"))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must[[]byte](t)(os.ReadFile(file("ca.pem"))))
	secure := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool}))
	read := func() (string, error) {
		token, err := os.ReadFile(file("token"))
		return strings.TrimSpace(string(token)), err
	}
	commits(t, s.Address, secure, grpc.WithPerRPCCredentials(concord.Token(read)))
	anonymous := must[*concord.Client](t)(concord.Dial(s.Address, "ada", secure))
	defer anonymous.Close()
	if _, err := anonymous.Get(t.Context(), "wf-1"); concord.FailureOf(err).Reason != "UNAUTHENTICATED" {
		t.Error(err)
	}
}

// commits has a client and a participant, both with these options, commit a transaction.
func commits(t *testing.T, address string, options ...grpc.DialOption) {
	participant := must[*Participant](t)(Start(Options{
		Coordinators: []string{address}, ID: "go", Database: filepath.Join(t.TempDir(), "go.sqlite"), Resource: nothing{},
		DialOptions: options,
	}))
	defer participant.Close()
	client := must[*concord.Client](t)(concord.Dial(address, "ada", options...))
	defer client.Close()
	answer := must[*commitv1.ExecuteTransactionResponse](t)(client.Transactions.ExecuteTransaction(t.Context(), &commitv1.ExecuteTransactionRequest{
		Participants:        []*commitv1.Enlistment{{ParticipantId: "go"}},
		WaitForParticipants: durationpb.New(10e9),
		Reason:              "a test",
	}))
	if answer.Transaction.Outcome != commitv1.Outcome_OUTCOME_COMMITTED {
		t.Error(answer)
	}
}
