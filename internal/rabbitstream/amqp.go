package rabbitstream

import (
	"encoding/binary"
	"errors"
)

// Constructors of AMQP 1.0 (part 1, section 1.6) and descriptors of the sections of a message (part
// 3, section 3.2).
const (
	described                            = 0x00
	null, smallUlong                     = 0x40, 0x53
	binary8, binary32                    = 0xa0, 0xb0
	string8, string32                    = 0xa1, 0xb1
	symbol8, symbol32                    = 0xa3, 0xb3
	list32                               = 0xd0
	map8, map32                          = 0xc1, 0xd1
	properties, applicationProperties    = 0x73, 0x74
	dataSection, contentTypeOfProperties = 0x75, 6
)

// AppendMessage appends an AMQP 1.0 message to a buffer: its content type, which is omitted if it is
// empty, its application properties, which each calls add with, and its data.
func AppendMessage(b []byte, contentType string, each func(add func(name, value string)), data []byte) []byte {
	if contentType != "" {
		var at int
		b, at = beginCompound(b, properties, list32)
		for range contentTypeOfProperties {
			b = append(b, null)
		}
		b = appendText(b, symbol8, symbol32, contentType)
		endCompound(b, at, contentTypeOfProperties+1)
	}
	b, at := beginCompound(b, applicationProperties, map32)
	var count uint32
	each(func(name, value string) {
		b = appendText(b, string8, string32, name)
		b = appendText(b, string8, string32, value)
		count += 2
	})
	endCompound(b, at, count)
	b = append(b, described, smallUlong, dataSection)
	b = appendSize(b, binary8, binary32, len(data))
	return append(b, data...)
}

// beginCompound appends the beginning of a section, and returns where its size is.
func beginCompound(b []byte, section, constructor byte) (appended []byte, at int) {
	b = append(b, described, smallUlong, section, constructor)
	return append(b, make([]byte, 8)...), len(b)
}

// endCompound sets size and count of a section that ends with the buffer.
func endCompound(b []byte, at int, count uint32) {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	binary.BigEndian.PutUint32(b[at+4:], count)
}

func appendText(b []byte, short, long byte, s string) []byte {
	return append(appendSize(b, short, long, len(s)), s...)
}

func appendSize(b []byte, short, long byte, size int) []byte {
	if size < 256 {
		return append(b, short, byte(size))
	}
	return binary.BigEndian.AppendUint32(append(b, long), uint32(size))
}

var errNotAMQP = errors.New("is no AMQP 1.0 message")

// ApplicationProperties returns those application properties of a message that are strings.
func ApplicationProperties(message []byte) (map[string]string, error) {
	all := make(map[string]string)
	for rest := message; len(rest) > 0; {
		if len(rest) < 4 || rest[0] != described || rest[1] != smallUlong {
			return nil, errNotAMQP
		}
		section := rest[2]
		kind, content, after, found := value(rest[3:])
		if !found {
			return nil, errNotAMQP
		}
		if rest = after; section == applicationProperties && !readMap(kind, content, all) {
			return nil, errNotAMQP
		}
	}
	return all, nil
}

// readMap adds the strings of a map, whose content begins with the count.
func readMap(kind byte, content []byte, all map[string]string) (ok bool) {
	width := map[byte]int{map8: 1, map32: 4}[kind]
	if width == 0 || len(content) < width {
		return false
	}
	for rest := content[width:]; len(rest) > 0; {
		_, name, after, found := value(rest)
		if !found {
			return false
		}
		kind, text, after, found := value(after)
		if !found {
			return false
		}
		if rest = after; kind == string8 || kind == string32 {
			all[string(name)] = string(text)
		}
	}
	return true
}

// value splits a value from what follows it. content is that of variable width, or of a compound
// value with its count.
func value(b []byte) (constructor byte, content, after []byte, found bool) {
	if len(b) == 0 {
		return 0, nil, nil, false
	}
	constructor, b = b[0], b[1:]
	var size int
	switch constructor >> 4 {
	case 4:
	case 5, 6, 7, 8, 9:
		size = 1 << (constructor>>4 - 5)
	case 0xa, 0xc, 0xe:
		if len(b) == 0 {
			return 0, nil, nil, false
		}
		size, b = int(b[0]), b[1:]
	case 0xb, 0xd, 0xf:
		if len(b) < 4 {
			return 0, nil, nil, false
		}
		size, b = int(binary.BigEndian.Uint32(b)), b[4:]
	default:
		return 0, nil, nil, false
	}
	if size > len(b) {
		return 0, nil, nil, false
	}
	return constructor, b[:size], b[size:], true
}
