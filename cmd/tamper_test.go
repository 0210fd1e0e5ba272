package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// tamper VARIABLE URL PATTERN ACTION [ARGUMENT] sets VARIABLE to the URL of a
// proxy in front of the server at URL, which passes all on as it is but the
// answers whose whole path matches PATTERN. The transcript notes what it does:
//
//	replace OLD NEW   with NEW for each match of OLD
//	body TEXT         with TEXT for their body
//	status CODE       with another status, and no document
//	cut               the first half, as if that were all
//	break             the first half of what the header announces
//	redirect URL      to another URL
//	instead PATH      what the server has at another path
//	blow              so that it becomes too large once it is decompressed
func tamper(ts *testscript.TestScript, _ bool, arguments []string) {
	upstream, pattern, action := arguments[1], regexp.MustCompile("^("+arguments[2]+")$"), arguments[3]
	act, known := actions[action]
	if !known {
		ts.Fatalf("tamper: no action %q", action)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if !pattern.MatchString(path) {
			pass(w, r.Context(), upstream+path)
			return
		}
		act(w, answer{r.Context(), upstream, path}, arguments[4:])
	}))
	ts.Setenv(arguments[0], proxy.URL)
	note(ts, "(%s: %s)\n", arguments[2], strings.Join(arguments[3:], " "))
	ts.Defer(proxy.Close)
}

// epoch VARIABLE DB FEED sets VARIABLE to the feed's current epoch.
func epoch(ts *testscript.TestScript, _ bool, arguments []string) {
	ts.Check(ts.Exec("feedserver", "list", "--json", "--db", arguments[1]))
	var feeds []struct{ Name, Epoch string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &feeds))
	for _, f := range feeds {
		if f.Name == arguments[2] {
			ts.Setenv(arguments[0], f.Epoch)
			return
		}
	}
	ts.Fatalf("epoch: no feed %s", arguments[2])
}

// answer is what the server would say.
type answer struct {
	ctx            context.Context
	upstream, path string
}

func (a answer) body() string {
	_, body, err := fetch(a.ctx, a.upstream+a.path)
	if err != nil {
		return err.Error() // no seeder takes it for a document
	}
	return body
}

var actions = map[string]func(w http.ResponseWriter, a answer, arguments []string){
	"replace": func(w http.ResponseWriter, a answer, arguments []string) {
		document(w, regexp.MustCompile(arguments[0]).ReplaceAllString(a.body(), arguments[1]))
	},
	"body": func(w http.ResponseWriter, _ answer, arguments []string) { document(w, arguments[0]) },
	"status": func(w http.ResponseWriter, _ answer, arguments []string) {
		code, _ := strconv.Atoi(arguments[0])
		http.Error(w, "not here", code)
	},
	"cut": func(w http.ResponseWriter, a answer, _ []string) {
		body := a.body()
		document(w, body[:len(body)/2])
	},
	"break": func(w http.ResponseWriter, a answer, _ []string) {
		body := a.body()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		document(w, body[:len(body)/2])
	},
	"redirect": func(w http.ResponseWriter, _ answer, arguments []string) {
		w.Header().Set("Location", arguments[0])
		w.WriteHeader(http.StatusFound)
	},
	"instead": func(w http.ResponseWriter, a answer, arguments []string) {
		pass(w, a.ctx, a.upstream+arguments[0])
	},
	"blow": func(w http.ResponseWriter, a answer, _ []string) {
		w.Header().Set("Content-Encoding", "zstd")
		document(w, string(compress.Zstd([]byte(a.body()+strings.Repeat(" ", compress.MaxBody)))))
	},
}

func document(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", feed.ContentType)
	_, _ = io.WriteString(w, body)
}

// pass answers with what is at a URL, as it is.
func pass(w http.ResponseWriter, ctx context.Context, url string) { //nolint:revive // w comes first in handlers
	code, body, err := fetch(ctx, url)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if code != http.StatusOK {
		w.Header().Set("Content-Type", "text/plain")
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

// fetch asks for the document itself, in no coding.
func fetch(ctx context.Context, url string) (code int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w", url, err)
	}
	return response.StatusCode, string(text), nil
}
