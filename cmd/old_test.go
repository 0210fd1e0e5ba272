package cmd_test

import (
	"encoding/binary"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/rogpeppe/go-internal/testscript"
)

// old NAME sets the variable NAME to the URL of a server that speaks as
// PostgreSQL 12 does, as far as anyone asks it. No real one can be had for each
// machine that runs the tests.
func old(ts *testscript.TestScript, _ bool, arguments []string) {
	t := testOf(ts)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go (&oldServer{Backend: pgproto3.NewBackend(conn, conn)}).serve()
		}
	}()
	ts.Setenv(arguments[0], "postgres://shop@"+listener.Addr().String()+"/shop?sslmode=disable")
}

type oldServer struct {
	*pgproto3.Backend
	query string
}

func (s *oldServer) serve() {
	if _, err := s.ReceiveStartupMessage(); err != nil {
		return
	}
	s.Send(&pgproto3.AuthenticationOk{})
	s.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	s.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
	s.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for s.Flush() == nil {
		message, err := s.Receive()
		if err != nil {
			return
		}
		s.answer(message)
	}
}

func (s *oldServer) answer(message pgproto3.FrontendMessage) {
	fields, row := s.result()
	switch m := message.(type) {
	case *pgproto3.Parse:
		s.query = m.Query
		s.Send(&pgproto3.ParseComplete{})
	case *pgproto3.Describe:
		if m.ObjectType == 'S' {
			s.Send(&pgproto3.ParameterDescription{})
		}
		s.Send(fields)
	case *pgproto3.Bind:
		s.Send(&pgproto3.BindComplete{})
	case *pgproto3.Execute:
		s.Send(row)
		s.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	case *pgproto3.Query: // what begins and ends a transaction
		s.Send(&pgproto3.CommandComplete{CommandTag: []byte("BEGIN")})
		s.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	case *pgproto3.Sync:
		s.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

// result is what the questions are answered that are asked before the
// version is known.
func (s *oldServer) result() (*pgproto3.RowDescription, *pgproto3.DataRow) {
	number := pgproto3.FieldDescription{Name: []byte("n"), DataTypeOID: pgtype.Int4OID, DataTypeSize: 4, Format: 1}
	text := pgproto3.FieldDescription{Name: []byte("t"), DataTypeOID: pgtype.TextOID, DataTypeSize: -1}
	switch {
	case strings.Contains(s.query, "pg_backend_pid"):
		return &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{number}}, &pgproto3.DataRow{Values: [][]byte{int4(1)}}
	case strings.Contains(s.query, "client_encoding"):
		return &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{text}}, &pgproto3.DataRow{Values: [][]byte{[]byte("UTF8")}}
	}
	return &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{number, text}},
		&pgproto3.DataRow{Values: [][]byte{int4(120017), []byte("UTF8")}}
}

func int4(n int) []byte {
	if n < 0 {
		panic(strconv.Itoa(n))
	}
	return binary.BigEndian.AppendUint32(nil, uint32(n))
}
