package server_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// tokensOf returns the tokens of a file; each has what the file says of the token with that text.
func tokensOf(t *testing.T, grants map[string]string) *access.Tokens {
	t.Helper()
	var text strings.Builder
	for token, grant := range grants {
		fmt.Fprintf(&text, "[[token]]\nname = %q\nsha256 = \"%x\"\n%s\n", token, sha256.Sum256([]byte(token)), grant)
	}
	file := filepath.Join(t.TempDir(), "tokens.toml")
	must.OK(t, os.WriteFile(file, []byte(text.String()), 0o600))
	tokens, err := access.LoadTokens(file, slog.New(slog.DiscardHandler))
	must.OK(t, err)
	return tokens
}

// TestATokenThatMayNotReadLearnsNothingOfAnEntity: neither its version nor where its last event is, nor
// whether there is such an entity.
func TestATokenThatMayNotReadLearnsNothingOfAnEntity(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	storetest.Append(t, l, "f", about("o-1", 1, 7))
	storetest.Drain(t, l, "f")
	tokens := tokensOf(t, map[string]string{"writer": `append = ["f"]`, "both": "append = [\"f\"]\nread = [\"f\"]"})
	s := servertest.Publish(t, l, allowAppend, func(c *server.Config) { c.Grants = tokens })
	state := regexp.MustCompile(`(?i)version|etag|\b7\b`)
	for _, condition := range [][2]string{{"If-Match", `"6"`}, {"If-Match", `"7"`}, {"If-Match", "*"}, {"If-Match", "7"}, {"If-None-Match", "*"}, {"If-None-Match", `"7"`}} {
		var answers []string
		for _, subject := range []string{"o-1", "o-9"} {
			response, body := post(t, s.URL+"/feeds/f/entities/"+subject, cloudEvent("a1", "1"), "Content-Type", structured, "Authorization", "Bearer writer", condition[0], condition[1])
			if response.StatusCode != http.StatusForbidden || !strings.Contains(body, "may append to this feed, but not read it") || !strings.Contains(response.Header.Get("WWW-Authenticate"), "insufficient_scope") {
				t.Errorf("%v of %s: %s %s", condition, subject, response.Status, body)
			}
			if response.Header.Get("ETag") != "" || state.MatchString(body) {
				t.Errorf("%v of %s: the answer tells the state: %v %s", condition, subject, response.Header, body)
			}
			answers = append(answers, strings.ReplaceAll(body, subject, "SUBJECT"))
		}
		if answers[0] != answers[1] {
			t.Errorf("%v: %q", condition, answers)
		}
	}
	if events := storetest.Read(t, l, "f"); len(events) != 7 {
		t.Errorf("%d events", len(events))
	}
	for range 2 { // new, and there already
		response, body := post(t, s.URL+"/feeds/f/entities/o-1", cloudEvent("a1", `{"n":1}`), "Content-Type", structured, "Authorization", "Bearer writer")
		if response.StatusCode != http.StatusCreated || !strings.Contains(body, `"position":8`) || response.Header.Get("ETag") != "" || state.MatchString(body) {
			t.Errorf("without a condition: %s %v %s", response.Status, response.Header, body)
		}
	}
	for id, condition := range map[string][2]string{"a1": {"If-None-Match", "*"}, "a2": {"If-Match", `"8"`}} {
		status, answer := postEntity(t, s.URL+"/feeds/f/entities/o-1", []string{id}, "Authorization", "Bearer both", condition[0], condition[1])
		if status != http.StatusCreated || answer.Version == nil || answer.ETag == "" {
			t.Errorf("a token that may do both, %v: %d %+v", condition, status, answer)
		}
	}
}
