package rabbitstream

import "encoding/binary"

// Keys of commands. A response has the key of its request with isResponse.
const (
	keyDeclarePublisher       = 1
	keyPublish                = 2
	keyPublishConfirm         = 3
	keyPublishError           = 4
	keyQueryPublisherSequence = 5
	keySubscribe              = 7
	keyDeliver                = 8
	keyUnsubscribe            = 12
	keyMetadata               = 15
	keyMetadataUpdate         = 16
	keyPeerProperties         = 17
	keySaslHandshake          = 18
	keySaslAuthenticate       = 19
	keyTune                   = 20
	keyOpen                   = 21
	keyClose                  = 22
	keyHeartbeat              = 23

	isResponse = 0x8000
)

// version is that of all commands here.
const version = 1

// frame is a frame that is being written: its length, a key, a version, and then its fields.
type frame []byte

// newFrame begins a frame in a buffer.
func newFrame(buffer []byte, key uint16) frame {
	return frame(buffer[:0]).u32(0).u16(key).u16(version)
}

func (f frame) u8(v uint8) frame   { return append(f, v) }
func (f frame) u16(v uint16) frame { return binary.BigEndian.AppendUint16(f, v) }
func (f frame) u32(v uint32) frame { return binary.BigEndian.AppendUint32(f, v) }
func (f frame) u64(v uint64) frame { return binary.BigEndian.AppendUint64(f, v) }

// text appends a string, which has at most 32,767 bytes.
func (f frame) text(s string) frame { return append(f.u16(uint16(len(s))), s...) }

// done sets the length, and returns the bytes of the frame.
func (f frame) done() []byte {
	binary.BigEndian.PutUint32(f, uint32(len(f)-4))
	return f
}

// fields reads the fields of a frame. After the end of the frame all are zero, and short is true.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.rest, f.short = nil, true
		return make([]byte, min(n, 8))
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }

// text reads a string; "" if it is null.
func (f *fields) text() string {
	n := int16(f.u16())
	if n <= 0 || f.short {
		return ""
	}
	taken := f.take(int(n))
	if f.short {
		return ""
	}
	return string(taken)
}
