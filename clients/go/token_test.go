package concord

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	workflowv1 "concord/clients/go/gen/concord/workflow/v1"
	"concord/clients/go/internal/pause"
	"concord/clients/go/internal/testserver"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// withTokens is a server to which ada proves by a token who calls.
type withTokens struct {
	*testserver.Server
	t      *testing.T
	secure credentials.TransportCredentials
	// expiring end one after the other; `last` does not. A busy machine may come too late for the first of them.
	expiring []string
	// file has the token of now.
	file string
}

func serveWithTokens(t *testing.T) *withTokens {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	if output, err := exec.Command(testserver.Concord, "dev-certs", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	secure, err := credentials.NewClientTLSFromFile(file("ca.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	s := &withTokens{t: t, secure: secure, file: file("token")}
	entry := func(token, more string) string {
		return fmt.Sprintf(`{"principal": "ada", "sha256": "%x"%s}`, sha256.Sum256([]byte(token)), more)
	}
	entries := []string{entry("last", "")}
	for life := 4 * time.Second; life <= 64*time.Second; life *= 2 {
		token := "of-" + life.String()
		s.expiring = append(s.expiring, token)
		entries = append(entries, entry(token, fmt.Sprintf(`, "not_after": %q`, time.Now().Add(life).UTC().Format(time.RFC3339))))
	}
	access := `{"authentication": {"tokens": [` + strings.Join(entries, ", ") + `]}, "grants": [{"principals": ["ada"], "roles": ["client"]}]}`
	if err := os.WriteFile(file("access.yaml"), []byte(access), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Server = testserver.Serve(t, "--tls-cert", file("server.pem"), "--tls-key", file("server-key.pem"), "--access", file("access.yaml"))
	return s
}

// replace is how a token is renewed: whoever reads finds the one or the other.
func (s *withTokens) replace(token string) {
	err := os.WriteFile(s.file+".new", []byte(token), 0o600)
	if err := errors.Join(err, os.Rename(s.file+".new", s.file)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *withTokens) dial(token Token) *Client {
	client, err := Dial(s.Address, "ada", grpc.WithTransportCredentials(s.secure), grpc.WithPerRPCCredentials(token))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { client.Close() })
	return client
}

func (s *withTokens) as(token string) *Client {
	return s.dial(func() (string, error) { return token, nil })
}

func TestAWatchGoesOnWithTheNextTokenWhenItsOwnExpires(t *testing.T) {
	s := serveWithTokens(t)
	create(t, s.as("last"), "wf-1")
	var asked atomic.Int32
	watcher := s.dial(func() (string, error) {
		asked.Add(1)
		token, err := os.ReadFile(s.file)
		return string(token), err
	})
	for _, token := range s.expiring {
		s.replace(token)
		next, stop := iter.Pull2(watcher.Watch(t.Context(), 0, &workflowv1.WatchWorkflowEventsRequest{WorkflowId: "wf-1"}))
		defer stop()
		event, err, _ := next()
		if err != nil && FailureOf(err).Reason == "UNAUTHENTICATED" {
			continue
		}
		if err != nil || event.Version != 1 {
			t.Fatal(event, err)
		}
		askedBefore := asked.Load()
		s.replace("last")
		untilRefused(t, s.as(token))
		if _, err := s.as("last").Transition(t.Context(), move("wf-1", active)); err != nil {
			t.Fatal(err)
		}
		if event, err, _ := next(); err != nil || event.Version != 2 || asked.Load() == askedBefore {
			t.Error(event, err, asked.Load(), askedBefore)
		}
		return
	}
	t.Error("each token had expired before anything could be asked")
}

func untilRefused(t *testing.T, client *Client) {
	for {
		_, err := client.Get(t.Context(), "wf-1")
		if FailureOf(err).Reason == "UNAUTHENTICATED" {
			return
		}
		if err := errors.Join(err, pause.For(t.Context(), pause.Shortest)); err != nil {
			t.Fatal(err)
		}
	}
}
