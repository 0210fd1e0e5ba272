package rabbitstream

import (
	"context"
	"fmt"
	"net"
)

// noNode is the reference of a node that is not there.
const noNode = 0xffff

// Leader returns host and port of the node that holds the leader of a stream. The error matches
// ErrStreamDoesNotExist, or ErrStreamNotAvailable while there is no leader.
func (c *Connection) Leader(ctx context.Context, stream string) (string, error) {
	f, err := c.request(ctx, keyMetadata, func(f frame) frame { return f.u32(1).text(stream) })
	if err != nil {
		return "", err
	}
	nodes := make(map[uint16]string)
	for n := f.u32(); n > 0 && !f.short; n-- {
		reference, host := f.u16(), f.text()
		nodes[reference] = net.JoinHostPort(host, fmt.Sprint(f.u32()))
	}
	if f.u32() != 1 {
		return "", ErrStreamDoesNotExist
	}
	_ = f.text() // the name
	code, leader := CodeError(f.u16()), f.u16()
	if err := failed(code); err != nil {
		return "", err
	}
	if leader == noNode || nodes[leader] == "" {
		return "", ErrStreamNotAvailable
	}
	return nodes[leader], nil
}
