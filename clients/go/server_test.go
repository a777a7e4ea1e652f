package concord

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"syscall"
	"testing"
)

// server is `bin/concord` of this clone, on loopback.
type server struct {
	t       *testing.T
	data    string
	address string
	command *exec.Cmd
}

func serve(t *testing.T) *server {
	s := &server{t: t, data: t.TempDir(), address: "127.0.0.1:0"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start has it where it was before, if it was.
func (s *server) start() {
	s.command = exec.Command("../../bin/concord", "serve", "--listen", s.address, "--data-dir", s.data, "--log-format", "json")
	output, err := s.command.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.command.Stderr = s.command.Stdout
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			s.t.Fatalf("concord serve has ended: %v", err)
		}
		var logged struct{ Msg, Listen string }
		if json.Unmarshal(line, &logged) == nil && logged.Msg == "serving" {
			s.address = logged.Listen
			break
		}
	}
	// It must not wait for its log to be read.
	go io.Copy(io.Discard, lines)
}

func (s *server) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

func (s *server) stop() {
	if s.command.ProcessState == nil {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		_ = s.command.Wait()
	}
}
