package seedkafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// The library connects again by itself, and a transaction that begins then is one like any other to
// the broker. But a broker that was started again, or another leader, may have lost the end of the
// topic. So the log counts the connections that have ended, and keeps the leader epochs that End saw.
// If one of them changes, nothing is committed before the end was read again.

// watched is a connection that counts its end, before the library can open another one.
type watched struct {
	net.Conn
	once  *sync.Once
	count func()
}

func (c watched) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.noted(err)
}

func (c watched) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.noted(err)
}

// Close closes the connection.
func (c watched) Close() error {
	c.once.Do(c.count)
	return c.Conn.Close()
}

func (c watched) noted(err error) error {
	if err != nil {
		c.once.Do(c.count)
	}
	return err
}

// watch returns a connection that is counted when it ends.
func (l *log) watch(c net.Conn) net.Conn {
	return watched{c, &sync.Once{}, func() { l.ended.Add(1) }}
}

// errReconnected reports that the end of the topic has to be read again before anything is committed.
var errReconnected = errors.New("a connection to a broker has ended, or a partition has another leader")

// unchanged returns an error if the topic may have lost its end since End has read it.
func (l *log) unchanged() error {
	if l.ended.Load() != l.endedAtEnd {
		return errReconnected
	}
	for partition, epoch := range l.topic.epochs {
		_, now, err := l.client.PartitionLeader(l.topic.name, int32(partition))
		if err == nil && now >= 0 && epoch >= 0 && now != epoch {
			return fmt.Errorf("%w: partition %d of topic %s has leader epoch %d, and had %d", errReconnected, partition, l.topic.name, now, epoch)
		}
	}
	return nil
}

// verifyEnd reads the end again if something may have changed it, and returns an error if it is not
// where this log has left it. The end of a log that has lost its own is not known: a marker begins
// another generation there.
func (l *log) verifyEnd(ctx context.Context) error {
	for tries := 0; !l.endLost && l.unchanged() != nil; tries++ {
		if tries == 3 {
			return fmt.Errorf("%s: %w again and again", l.to, errReconnected)
		}
		was := l.end
		if _, _, err := l.End(ctx); err != nil {
			return err
		}
		if now := l.end; now.Position != was.Position || now.Generation != was.Generation || now.Digest != was.Digest {
			return fmt.Errorf("%s: the end is at position %d of generation %d, and was at position %d of generation %d", l.to, now.Position, now.Generation, was.Position, was.Generation)
		}
	}
	return nil
}

// noteEnd keeps what unchanged compares. It is called before End reads anything.
func (l *log) noteEnd(ctx context.Context) error {
	l.endedAtEnd, l.endLost = l.ended.Load(), false
	return l.bounded(ctx, "read the leaders of topic "+l.topic.name, func(ctx context.Context) error {
		metadata, err := l.admin.Metadata(ctx, l.topic.name)
		if err != nil {
			return err
		}
		for _, p := range metadata.Topics[l.topic.name].Partitions {
			if int(p.Partition) < len(l.topic.epochs) {
				l.topic.leaders[p.Partition], l.topic.epochs[p.Partition] = p.Leader, p.LeaderEpoch
			}
		}
		return nil
	})
}

// isLostEnd reports whether an error is a LostEndError.
func isLostEnd(err error) bool {
	_, is := errors.AsType[*broker.LostEndError](err)
	return is
}
