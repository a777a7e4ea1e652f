// Sells seats, until it is told to stop: seats ADDRESS DATABASE. A payload is the name of a seat; for the seat "fault" it fails, and "none" is nothing to do.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"concord/clients/go/participant"
)

type seats struct{}

func (seats) Prepare(ctx context.Context, tx *sql.Tx, transactionID string, payload []byte) error {
	seat := string(payload)
	if seat == "none" {
		return participant.ReadOnly
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS seats (seat TEXT PRIMARY KEY, tx TEXT NOT NULL, sold INTEGER NOT NULL)"); err != nil {
		return err
	}
	held, err := tx.ExecContext(ctx, "INSERT INTO seats VALUES (?, ?, 0) ON CONFLICT DO NOTHING", seat, transactionID)
	if err != nil {
		return err
	}
	rows, err := held.RowsAffected()
	if err != nil {
		return err
	}
	if rows == 0 {
		return participant.Refused("seat " + seat + " is taken")
	}
	if seat == "fault" {
		return errors.New("a fault")
	}
	return nil
}

func (seats) Commit(ctx context.Context, tx *sql.Tx, transactionID string, _ []byte) error {
	_, err := tx.ExecContext(ctx, "UPDATE seats SET sold = 1 WHERE tx = ?", transactionID)
	return err
}

func (seats) Abort(ctx context.Context, tx *sql.Tx, transactionID string, _ []byte) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM seats WHERE tx = ?", transactionID)
	return err
}

func main() {
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: seats ADDRESS DATABASE") }
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	told, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p, err := participant.Start(participant.Options{
		Coordinators: []string{flag.Arg(0)}, ID: "seats", Database: flag.Arg(1), Resource: seats{},
	})
	if err != nil {
		log.Fatal(err)
	}
	<-told.Done()
	if err := p.Close(); err != nil {
		log.Fatal(err)
	}
}
