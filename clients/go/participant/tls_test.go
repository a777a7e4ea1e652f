package participant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
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
	participant := must[*Participant](t)(Start(Options{
		Coordinators: []string{s.Address}, ID: "go", Database: filepath.Join(t.TempDir(), "go.sqlite"), Resource: nothing{},
		DialOptions: []grpc.DialOption{secure},
	}))
	defer participant.Close()
	client := must[*concord.Client](t)(concord.Dial(s.Address, "ada", secure))
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
