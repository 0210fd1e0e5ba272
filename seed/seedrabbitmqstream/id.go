package seedrabbitmqstream

import (
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// id is a publishing id. The broker stores a message only if its id is higher than that of the
// producer's last one, and keeps that id with the stream.
//
// Its lower 48 bits are the message's position. So two publishers give an event the same id, and the
// broker stores it once. The bits above count the generations in this stream, whatever their numbers
// are: a marker, which begins a generation, is higher than all before it.
type id uint64

const (
	positionBits = 48
	maxPosition  = 1<<positionBits - 1
	// maxCount keeps ids positive where a client has them signed.
	maxCount = 1<<15 - 1
)

func (i id) position() int64 { return int64(i & maxPosition) }
func (i id) count() uint64   { return uint64(i) >> positionBits }

// after returns the id of the message that follows the one with this id; the first message follows 0.
func (i id) after(m *broker.Message) (id, error) {
	count := i.count()
	switch {
	case m.IsMarker() || i == 0:
		count++
	case m.Position != i.position()+1:
		return 0, fmt.Errorf("%s does not follow position %d", m, i.position())
	}
	if count > maxCount || m.Position < 0 || m.Position > maxPosition {
		return 0, &broker.OperatorError{
			Err:  errors.New("the stream has no publishing id left for " + m.String()),
			Next: "create another stream, and publish to that",
		}
	}
	return id(count<<positionBits) + id(m.Position), nil
}
