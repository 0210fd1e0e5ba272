package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// ruled is an event, and whether it can be taken.
type ruled struct {
	event.Event
	taken bool
}

// uris are sources and data schemas: whether RFC 3986 has them as a URI reference, and
// as a URI.
var uris = map[string]struct{ reference, uri bool }{
	"/orders":    {true, false},
	"/orders/":   {true, false},
	"/":          {true, false},
	"orders":     {true, false},
	"./a:b":      {true, false},
	"a/b:c":      {true, false},
	"a:b":        {true, true},
	"1:b":        {false, false},
	"a_b:c":      {false, false},
	":b":         {false, false},
	"%41:b":      {false, false},
	"?q=a:b#f?/": {true, false},
	"#f":         {true, false},
	"a#b#c":      {false, false},
	"urn:uuid:0b0f6c5e-8f0d-4a43-8f5e-1d2c3b4a5968": {true, true},
	"tag:example.org,2026:posts":                    {true, true},
	"https://shop.example/orders?a=b&c[1]":          {false, false},
	"https://shop.example:8443/a//b;c=d":            {true, true},
	"https://user:pass@shop.example":                {true, true},
	"https://user@host@shop.example":                {false, false},
	"https://shop.example:80a/":                     {false, false},
	"https://shop.example:":                         {true, true},
	"https:///a":                                    {true, true},
	"http:":                                         {true, true},
	"http:a":                                        {true, true},
	"//shop.example/a:b":                            {true, false},
	"//":                                            {true, false},
	"///a":                                          {true, false},
	"https://[::1]/":                                {true, true},
	"https://[2001:db8::1]:80/a":                    {true, true},
	"https://[1:2:3:4:5:6:7:8]":                     {true, true},
	"https://[1:2:3:4:5:6:7::]":                     {true, true},
	"https://[::ffff:192.0.2.1]":                    {true, true},
	"https://[1:2:3:4:5:6:7:8:9]":                   {false, false},
	"https://[1:2:3:4:5:6:7]":                       {false, false},
	"https://[::1::2]":                              {false, false},
	"https://[12345::]":                             {false, false},
	"https://[::256.0.0.1]":                         {false, false},
	"https://[::1":                                  {false, false},
	"https://[]/":                                   {false, false},
	"https://[::1]a/":                               {false, false},
	"https://[fe80::1%25eth0]/":                     {false, false},
	"/a[b]":                                         {false, false},
	"/my \"shop\" %zz":                              {false, false},
	"/a b":                                          {false, false},
	"/a%20b":                                        {true, false},
	"/a%2":                                          {false, false},
	"/a%":                                           {false, false},
	"/größe":                                        {false, false},
	"/gr%C3%B6%C3%9Fe":                              {true, false},
	"not a uri":                                     {false, false},
	"/a<b>":                                         {false, false},
	"/a\\b":                                         {false, false},
	"/a^b`c{d}|e":                                   {false, false},
	"/!$&'()*+,;=:@-._~":                            {true, false},
	"mailto:orders@shop.example":                    {true, true},
	"C:\\orders":                                    {false, false},
}

// refusals are events, and whether they can be taken.
func refusals() map[string]ruled {
	all := map[string]ruled{
		"no more than a type":     {event.Event{Type: "T"}, true},
		"no type":                 {event.Event{}, false},
		"an id that is too long":  {event.Event{Type: "T", ID: strings.Repeat("i", 256)}, false},
		"a subject, too":          {event.Event{Type: "T", Subject: strings.Repeat("s", 1025)}, false},
		"a control character":     {event.Event{Type: "T", Subject: "a\u0085"}, false},
		"a noncharacter":          {event.Event{Type: "T\U0001ffff"}, false},
		"an extension":            {event.Event{Type: "T", Extensions: map[string]string{"2nd": "5 < 6"}}, true},
		"an extension called id":  {event.Event{Type: "T", Extensions: map[string]string{"id": "5"}}, false},
		"an extension with a dot": {event.Event{Type: "T", Extensions: map[string]string{"a.b": "5"}}, false},
	}
	for text, is := range uris {
		all["source "+text] = ruled{event.Event{Type: "T", Source: text}, is.reference}
		all["dataschema "+text] = ruled{event.Event{Type: "T", DataSchema: text}, is.uri}
	}
	return all
}

func TestGoAndSQLRefuseTheSameEvents(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	pool := openPool(t, url)
	for name, r := range refusals() {
		if _, err := cloudevents.Normal(r.Event); (err == nil) != r.taken {
			t.Errorf("%s: Go says %v", name, err)
		}
		if reason := refusalOf(t.Context(), t, pool, &r.Event); (reason == nil) != r.taken {
			t.Errorf("%s: SQL says %v", name, deref(reason))
		}
	}
}

// plainEvents are of the usual kind.
var plainEvents = map[string]event.Event{
	"no more than a type":   {ID: "1", Type: "T"},
	"all that an order has": {ID: "0193e3a1-1111-7111-8111-111111111111", Source: "/shop.example/orders", Type: "OrderPaid", Subject: "o-1", DataContentType: "application/json", Data: []byte(`{"name":"Zoë"}`)},
	"the longest":           {ID: strings.Repeat("i", 255), Type: "T", Subject: strings.Repeat("s", 1023)},
}

func TestPlainEventsAreTakenWithoutALookAtTheRest(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	pool := openPool(t, url)
	isPlain := func(e *event.Event) (plain bool) {
		must.OK(t, pool.QueryRow(t.Context(), `SELECT coalesce(eventfeed.is_plain($1, nullif($2, ''), $3, nullif($4, ''), nullif($5, '')::timestamptz, nullif($6, ''), nullif($7, ''), $8, $9), false)`,
			e.ID, e.Source, e.Type, e.Subject, "", e.DataContentType, e.DataSchema, e.Extensions, e.Data).Scan(&plain))
		return plain
	}
	for name, e := range plainEvents {
		if !isPlain(&e) {
			t.Errorf("%s is not plain", name)
		}
	}
	var all []event.Event
	for _, r := range refusals() {
		all = append(all, r.Event)
	}
	for c := range rune(0x250) { // each character in each attribute
		if s := "a" + string(c); c > 0 {
			all = append(all, event.Event{ID: s, Type: "T"}, event.Event{Type: s}, event.Event{Type: "T", Source: "/" + s}, event.Event{Type: "T", Subject: s}, event.Event{Type: "T", DataContentType: s})
		}
	}
	for _, length := range []int{255, 256, 1023, 1024, 1025} {
		s := strings.Repeat("x", length)
		all = append(all, event.Event{ID: s, Type: "T"}, event.Event{Type: s}, event.Event{Type: "T", Source: "/" + s}, event.Event{Type: "T", Subject: s})
	}
	for _, size := range []int{7_999_999, 8_000_000, 8 << 20} {
		all = append(all, event.Event{Type: "T", Data: make([]byte, size)})
	}
	for i := range all {
		if isPlain(&all[i]) {
			if reason := refusalOf(t.Context(), t, pool, &all[i]); reason != nil {
				t.Errorf("%.80q is plain, but refused: %s", fmt.Sprint(all[i]), *reason)
			}
		}
	}
}

func TestPlainEventsHappenInTheYearsThatEventsMay(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	var plain, taken []bool
	must.OK(t, openPool(t, url).QueryRow(t.Context(), `
		SELECT array_agg(eventfeed.is_plain('1', NULL, 'T', NULL, at, NULL, NULL, NULL, NULL)), array_agg(eventfeed.refusal('1', NULL, 'T', NULL, at, NULL, NULL, NULL, NULL) IS NULL)
		FROM unnest('{0001-01-01 00:00:00+00 BC,0001-01-01 00:00:00+00,0001-01-01 00:00:00.000001+00,2026-01-01,9999-12-31 23:59:59.999999+00,10000-01-01 00:00:00+00,-infinity,infinity}'::timestamptz[]) at`).
		Scan(&plain, &taken))
	if want := []bool{false, false, true, true, true, false, false, false}; !slices.Equal(plain, want) || !slices.Equal(taken, want) {
		t.Errorf("plain are %v, taken %v, want %v", plain, taken, want)
	}
}

func refusalOf(ctx context.Context, t *testing.T, pool *pgxpool.Pool, e *event.Event) (reason *string) {
	t.Helper()
	must.OK(t, pool.QueryRow(ctx, `SELECT eventfeed.refusal($1, $2, $3, $4, NULL, $5, $6, $7, $8)`,
		e.ID, e.Source, e.Type, e.Subject, e.DataContentType, e.DataSchema, e.Extensions, e.Data).Scan(&reason))
	return reason
}

func deref(text *string) string {
	if text == nil {
		return "nothing"
	}
	return *text
}
