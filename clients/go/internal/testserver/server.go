// Package testserver is `bin/concord` of this clone, on loopback.
package testserver

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Concord is the command.
var Concord = func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../../bin/concord")
}()

// Server is one that listens on Address, with its stores in Data.
type Server struct {
	Address string
	Data    string
	t       *testing.T
	flags   []string
	command *exec.Cmd
}

// Serve lasts as long as the test.
func Serve(t *testing.T, flags ...string) *Server {
	s := &Server{t: t, Data: filepath.Join(t.TempDir(), "server"), Address: "127.0.0.1:0", flags: flags}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start has it where it was before, if it was.
func (s *Server) Start() {
	args := append([]string{"serve", "--listen", s.Address, "--data-dir", s.Data, "--log-format", "json"}, s.flags...)
	s.command = exec.Command(Concord, args...)
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
			s.Address = logged.Listen
			break
		}
	}
	// It must not wait for its log to be read.
	go io.Copy(io.Discard, lines)
}

// Kill is as a power failure.
func (s *Server) Kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// Stop is in order. One that was killed stays so.
func (s *Server) Stop() {
	if s.command.ProcessState == nil {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		_ = s.command.Wait()
	}
}
