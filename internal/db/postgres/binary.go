package postgresdb

import (
	"encoding/binary"
	"time"
)

// Values in PostgreSQL's binary form, as COPY and the extended query protocol take them.
// pgx would ask its type map for it with every value.

// postgresEpoch is where PostgreSQL's timestamps count from, in microseconds.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// AppendTimestamp appends a timestamptz.
func AppendTimestamp(b []byte, t time.Time) []byte {
	return AppendInt8(b, t.UnixMicro()-postgresEpoch)
}

// AppendInt8 appends a bigint.
func AppendInt8(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

// AppendInt4 appends an integer.
func AppendInt4(b []byte, n int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }

// AppendJSONB appends a jsonb, from its text.
func AppendJSONB(b, text []byte) []byte {
	const version = 1
	return append(append(b, version), text...)
}
