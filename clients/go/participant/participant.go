// Package participant is a durable participant of Concord's transactions, whose log is in the SQLite database of its resource.
package participant

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"

	commitv1 "concord/clients/go/gen/concord/commit/v1"
	"concord/clients/go/internal/connection"

	"google.golang.org/grpc"
)

// Options say who takes part, and where.
type Options struct {
	// Coordinators have the addresses of all that may enlist it.
	Coordinators []string
	ID           string
	// Database is the path of an SQLite file on a local disk, which one process at a time has.
	Database string
	Resource Resource
	// DialOptions, such as credentials; may be left out.
	DialOptions []grpc.DialOption
	// Logger is the default one, if it is left out.
	Logger *slog.Logger
}

// Participant takes part until it is closed, through losses of connection and restarts of the coordinators.
type Participant struct {
	log         *log
	leave       context.CancelFunc
	links       sync.WaitGroup
	connections []*grpc.ClientConn
}

// Start fails if the database is in use, or another participant's.
func Start(options Options) (*Participant, error) {
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	log, err := openLog(options.Database, options.ID)
	if err != nil {
		return nil, err
	}
	leaving, leave := context.WithCancel(context.Background())
	p := &Participant{log: log, leave: leave}
	steps := &steps{log, options.Resource, options.Logger.With("participant_id", options.ID)}
	instanceID := rand.Text()
	hello := func() *commitv1.Hello {
		return &commitv1.Hello{ParticipantId: options.ID, InstanceId: instanceID, VersionMin: 1, VersionMax: 1, PrepareCredit: prepareCredit}
	}
	for _, address := range options.Coordinators {
		connection, err := connection.New(address, options.DialOptions...)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		p.connections = append(p.connections, connection)
		logger := options.Logger.With("participant_id", options.ID, "address", address)
		link := &link{commitv1.NewTwoPhaseCommitClient(connection), steps, logger, hello}
		p.links.Go(func() { link.run(leaving) })
	}
	return p, nil
}

// InDoubt has the transactions that are promised here, and whose outcome is not known yet.
func (p *Participant) InDoubt() ([]string, error) {
	records, err := p.log.inDoubt()
	var ids []string
	for _, each := range records {
		ids = append(ids, each.transactionID)
	}
	return ids, err
}

// Close says Goodbye. What is promised stays promised, and is ended after the next start.
func (p *Participant) Close() error {
	p.leave()
	p.links.Wait()
	var failed error
	for _, each := range p.connections {
		failed = errors.Join(failed, each.Close())
	}
	return errors.Join(failed, p.log.close())
}
