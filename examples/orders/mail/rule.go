package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/event"
)

// consumer is the name under which the service's checkpoint is stored.
const consumer = "mail"

// message is a message with what the rule needs of it.
type message struct {
	event.Delivered
	epoch                string
	marker               bool
	generation, before   int64
	digest, digestBefore []byte
}

func parse(d amqp.Delivery) (m message, err error) {
	attribute := func(name string) string { s, _ := d.Headers["cloudEvents:"+name].(string); return s }
	var errs [4]error
	m.generation, errs[0] = strconv.ParseInt(attribute("efgeneration"), 10, 64)
	m.Position, errs[1] = strconv.ParseInt(attribute("efposition"), 10, 64)
	m.digest, errs[2] = hex.DecodeString(attribute("efdigest"))
	m.digestBefore, errs[3] = hex.DecodeString(attribute("efdigestbefore"))
	m.FeedID, m.epoch = attribute("effeedid"), attribute("efepoch")
	m.Type, m.Subject, m.Data = attribute("type"), attribute("subject"), d.Body
	if m.before = m.Position - 1; m.Type == "eventfeed.marker" {
		m.marker, m.before = true, m.Position
	}
	return m, errors.Join(errs[:]...)
}

// receive applies or drops a message, by the rule of docs/brokers.md. It returns false if the service
// must be compared with the feed first.
func receive(ctx context.Context, db *sql.DB, m message, compared bool) (done bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // nothing, once it has committed
	var followed, applied, seedEnd int64
	var digest []byte
	err = tx.QueryRowContext(ctx, "SELECT generation, position, digest, seed_end FROM eventfeed_checkpoints WHERE consumer = ? AND feed_id = ?",
		consumer, m.FeedID).Scan(&followed, &applied, &digest, &seedEnd)
	if err != nil {
		return false, fmt.Errorf("read the checkpoint of feed %s: %w", m.FeedID, err)
	}
	if m.generation < followed || m.before < applied && (followed == 0 || followed == m.generation) {
		return true, nil // old: its event is applied, or its generation has ended
	}
	isNext := m.before == applied && bytes.Equal(m.digestBefore, digest)
	switch {
	case isNext && !m.marker:
		m.Live = m.Position > seedEnd
		if err := apply(ctx, tx, m.Delivered); err != nil {
			return false, fmt.Errorf("%s %s at position %d: %w", m.Type, m.Subject, m.Position, err)
		}
		_, err = tx.ExecContext(ctx, `UPDATE eventfeed_checkpoints
			SET generation = ?, position = ?, digest = ?, epoch = ?, updated = strftime('%Y-%m-%dT%H:%M:%SZ')
			WHERE consumer = ? AND feed_id = ?`, m.generation, m.Position, m.digest, m.epoch, consumer, m.FeedID)
	case isNext || compared:
		_, err = tx.ExecContext(ctx, "UPDATE eventfeed_checkpoints SET generation = ? WHERE consumer = ? AND feed_id = ?",
			m.generation, consumer, m.FeedID)
	}
	if err != nil {
		return false, err
	}
	return isNext || compared, tx.Commit()
}
