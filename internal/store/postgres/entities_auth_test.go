package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// everyAppend are the functions that append, with $1 for the id and $2 for the
// extensions.
var everyAppend = map[string]string{
	"json":      "SELECT eventfeed.append('e', 'T', 's', '{}'::json, id => $1, extensions => $2)",
	"jsonb":     "SELECT eventfeed.append('e', 'T', 's', '{}'::jsonb, id => $1, extensions => $2)",
	"text":      "SELECT eventfeed.append('e', 'T', 's', '{}', id => $1, extensions => $2)",
	"bytes":     "SELECT eventfeed.append_bytes('e', 'T', 's', 'x', 'x/y', id => $1, extensions => $2)",
	"many":      "SELECT eventfeed.append_many('e', ARRAY[$1], NULL, '{T}', '{s}', NULL, NULL, NULL, ARRAY[$2]::jsonb[], NULL)",
	"or refuse": "SELECT eventfeed.append_or_refuse('e', 'T', 's', 'x', 'x/y', id => $1, extensions => $2)",
}

// TestEachEventTellsWhoAppendedIt, if the transaction does.
func TestEachEventTellsWhoAppendedIt(t *testing.T) {
	t.Parallel()
	for name, statement := range everyAppend {
		for _, entities := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", with entities"}[entities], func(t *testing.T) {
				t.Parallel()
				url := testdb.Postgres(t)
				l := storetest.Open(t, url)
				if entities {
					storetest.CreateWithEntities(t, l, "e")
				} else {
					storetest.Create(t, l, "e", 0)
				}
				session, err := pgx.Connect(t.Context(), testdb.As(url, testdb.Writer)) // one, in which the settings have been set before
				must.OK(t, err)
				defer func() { _ = session.Close(context.Background()) }()
				for id, test := range map[string]struct {
					set        string
					extensions any
					want       string
				}{
					"id and type":           {"SET LOCAL eventfeed.authid = 'anna'; SET LOCAL eventfeed.authtype = 'user'", nil, "authid:anna authtype:user"},
					"id":                    {"SET LOCAL eventfeed.authid = 'anna'", nil, "authid:anna authtype:unknown"},
					"type":                  {"SET LOCAL eventfeed.authtype = 'system'", nil, "authtype:system"},
					"neither":               {"", nil, ""},
					"neither, extensions":   {"", `{"x":"1"}`, "x:1"},
					"empty":                 {"SET LOCAL eventfeed.authid = ''; SET LOCAL eventfeed.authtype = ''", nil, ""},
					"with other extensions": {"SET LOCAL eventfeed.authid = 'anna'; SET LOCAL eventfeed.authtype = 'user'", `{"x":"1"}`, "authid:anna authtype:user x:1"},
					"null for extensions":   {"SET LOCAL eventfeed.authid = 'anna'", "null", "authid:anna authtype:unknown"},
					"its own":               {"SET LOCAL eventfeed.authid = 'anna'; SET LOCAL eventfeed.authtype = 'user'", `{"authid":"ben","authtype":"app_user"}`, "authid:ben authtype:app_user"},
					"its own id":            {"SET LOCAL eventfeed.authid = 'anna'; SET LOCAL eventfeed.authtype = 'user'", `{"authid":"ben"}`, "authid:ben"},
					"its own type":          {"SET LOCAL eventfeed.authid = 'anna'", `{"authtype":"system"}`, "authtype:system"},
					"quotes":                {"SET LOCAL eventfeed.authid = 'ä \"b\" \\'", nil, `authid:ä "b" \ authtype:unknown`},
				} {
					must.OK(t, pgx.BeginFunc(t.Context(), session, func(tx pgx.Tx) error {
						if _, err := tx.Exec(t.Context(), test.set); err != nil {
							return err
						}
						_, err := tx.Exec(t.Context(), statement, id, test.extensions)
						return err
					}))
					storetest.Drain(t, l, "e")
					events := storetest.Read(t, l, "e")
					e := events[len(events)-1]
					var got []string
					for _, key := range []string{"authid", "authtype", "x"} {
						if value, is := e.Extensions[key]; is {
							got = append(got, key+":"+value)
						}
					}
					if all := strings.Join(got, " "); e.ID != id || all != test.want {
						t.Errorf("%s: event %s has %q, want %q", id, e.ID, all, test.want)
					}
				}
				storetest.Verify(t, l, "e")
			})
		}
	}
}

// TestAppendBySomeoneElseIsARepeat: who it was is who was first.
func TestAppendBySomeoneElseIsARepeat(t *testing.T) {
	t.Parallel()
	for name, statement := range everyAppend {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, writer, owner := openEntities(t)
			for _, by := range []string{
				"SET LOCAL eventfeed.authid = 'anna'; SET LOCAL eventfeed.authtype = 'user'", "SET LOCAL eventfeed.authid = 'ben'",
				"SET LOCAL eventfeed.authtype = 'system'", "SELECT 1",
			} {
				for _, extensions := range []any{nil, `{"authid":"carl"}`} {
					must.OK(t, pgx.BeginFunc(t.Context(), writer, func(tx pgx.Tx) error {
						if _, err := tx.Exec(t.Context(), by); err != nil {
							return err
						}
						_, err := tx.Exec(t.Context(), statement, "1", extensions)
						return err
					}))
				}
			}
			storetest.Drain(t, l, "e")
			events := storetest.Read(t, l, "e")
			if version := versionOf(t, owner, "s"); len(events) != 1 || version != 1 || events[0].Extensions["authid"] != "anna" {
				t.Errorf("version %d, events %+v", version, events)
			}
			if _, err := writer.Exec(t.Context(), statement, "1", `{"authid":"anna","x":"1"}`); name == "or refuse" {
				must.OK(t, err)
			} else if refusal, is := errors.AsType[*pgconn.PgError](err); !is || refusal.ConstraintName != "eventfeed_id" {
				t.Errorf("with another extension besides: %v", err)
			}
		})
	}
}

func TestWhoAppendsMustBeOfAKindThatThereIs(t *testing.T) {
	t.Parallel()
	l, writer, _ := openEntities(t)
	for name, statement := range everyAppend {
		for set, says := range map[string]string{
			"SET LOCAL eventfeed.authtype = 'admin'":                                     `setting eventfeed.authtype is "admin": it must be app_user, user, service_account, api_key, system, unauthenticated or unknown`,
			"SET LOCAL eventfeed.authtype = 'USER'; SET LOCAL eventfeed.authid = 'anna'": `setting eventfeed.authtype is "USER"`,
		} {
			err := pgx.BeginFunc(t.Context(), writer, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), set); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), statement, "1", nil)
				return err
			})
			if refusal, is := errors.AsType[*pgconn.PgError](err); !is || refusal.Code != "22023" || !strings.Contains(refusal.Message, says) {
				t.Errorf("%s: %s: %v", name, set, err)
			}
		}
		err := pgx.BeginFunc(t.Context(), writer, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "SET LOCAL eventfeed.authid = E'a\\nb'"); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), statement, "2", nil)
			return err
		})
		if refusal, is := errors.AsType[*pgconn.PgError](err); name != "or refuse" && (!is || refusal.Code != "22023" || !strings.Contains(refusal.Message, "extension authid holds a control character")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	storetest.Drain(t, l, "e")
	if position, _ := storetest.Verify(t, l, "e"); position != 0 {
		t.Errorf("position %d, want 0", position)
	}
}
