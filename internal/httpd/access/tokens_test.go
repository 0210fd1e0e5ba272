package access

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// write replaces a file as mounted secrets are replaced: at once.
func write(t *testing.T, path, text string) {
	t.Helper()
	must.OK(t, os.WriteFile(path+".new", []byte(text), 0o600))
	must.OK(t, os.Rename(path+".new", path))
}

// tokenEntry is a [[token]] for a token.
func tokenEntry(name, token, rights string) string {
	return fmt.Sprintf("[[token]]\nname = %q\nsha256 = \"%x\"\n%s\n", name, sha256.Sum256([]byte(token)), rights)
}

// load reads tokens from a new file, and returns what is logged from then on.
func load(t *testing.T, text string) (tokens *Tokens, path string, log *bytes.Buffer) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tokens.toml")
	write(t, path, text)
	log = new(bytes.Buffer)
	tokens, err := LoadTokens(path, slog.New(slog.NewTextHandler(log, nil)))
	must.OK(t, err)
	return tokens, path, log
}

func request(authorization ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": authorization}}
}

func TestGrantIsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	tokens, _, _ := load(t, tokenEntry("a", "one", `read = ["orders", "shop-*"]`)+
		tokenEntry("b", "two", `append = [ # comment
"orders", ]`)+tokenEntry("c", "three", `read = ["*"]
append = ["shop-*"]`))
	for token, may := range map[string]struct{ read, appendTo string }{
		"one":   {"orders shop- shop-1", ""},
		"two":   {"", "orders"},
		"three": {"orders orders-2 shop shop- shop-1 my-shop-1", "shop- shop-1"},
	} {
		grant, err := tokens.Grant(request("Bearer " + token))
		must.OK(t, err)
		var read, appendTo []string
		for _, feed := range []string{"orders", "orders-2", "shop", "shop-", "shop-1", "my-shop-1"} {
			if grant.MayRead(feed) {
				read = append(read, feed)
			}
			if grant.MayAppend(feed) {
				appendTo = append(appendTo, feed)
			}
		}
		if strings.Join(read, " ") != may.read || strings.Join(appendTo, " ") != may.appendTo {
			t.Errorf("%s reads %q and appends to %q, want %+v", token, read, appendTo, may)
		}
	}
}

func TestTokenComesAsBearerOrPassword(t *testing.T) {
	t.Parallel()
	tokens, _, _ := load(t, tokenEntry("a", "t-1", `read = ["*"]`))
	basic := func(user, password string) string {
		r := request()
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for _, test := range []struct {
		fields []string
		want   error
	}{
		{nil, ErrNoToken},
		{[]string{"Bearer t-1"}, nil},
		{[]string{"bearer  t-1"}, nil}, // RFC 9110 section 11.1: 1*SP, the scheme in any case
		{[]string{basic("", "t-1")}, nil},
		{[]string{basic("any", "t-1")}, nil},
		{[]string{basic("t-1", "")}, ErrUnknownToken},
		{[]string{"Basic !"}, ErrNoToken},
		{[]string{"Digest t-1"}, ErrNoToken},
		{[]string{"Bearer"}, ErrUnknownToken},
		{[]string{"Bearer t-2"}, ErrUnknownToken},
		{[]string{"Bearer T-1"}, ErrUnknownToken},
		{[]string{"Bearer t-1", "Bearer t-1"}, ErrUnknownToken},
		{[]string{"t-1"}, ErrNoToken},
		{[]string{fmt.Sprintf("Bearer %x", sha256.Sum256([]byte("t-1")))}, ErrUnknownToken},
	} {
		grant, err := tokens.Grant(request(test.fields...))
		if !errors.Is(err, test.want) || grant.MayRead("x") != (test.want == nil) {
			t.Errorf("%q: %+v %v, want %v", test.fields, grant, err, test.want)
		}
	}
	empty, _, _ := load(t, tokenEntry("a", "", `read = ["*"]`))
	for _, field := range []string{"Bearer", "Bearer ", basic("x", ""), "Bearer =", "Basic Og=="} {
		if _, err := empty.Grant(request(field)); !errors.Is(err, ErrUnknownToken) {
			t.Errorf("no token, %q: %v", field, err)
		}
	}
	r := request()
	r.Form = map[string][]string{"access_token": {"t-1"}}
	if _, err := tokens.Grant(r); !errors.Is(err, ErrNoToken) {
		t.Errorf("a token in the URL: %v", err)
	}
}

func TestWithoutTokensEveryoneMay(t *testing.T) {
	t.Parallel()
	var none *Tokens
	grant, err := none.Grant(request())
	must.OK(t, err)
	if !grant.MayRead("x") || !grant.MayAppend("x") || none.Changed() != nil || none.Run(t.Context()) != nil {
		t.Error("no tokens are more than none")
	}
	if zero := (Grant{}); zero.MayRead("x") || zero.MayAppend("x") || zero.MayRead("") {
		t.Error("the zero Grant grants something")
	}
}

// RFC 6750 section 3: no error where the request has no token.
func TestChallengeOffersBearerAndBasic(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		ErrNoToken:      `Bearer realm="eventfeed" | Basic realm="eventfeed", charset="UTF-8"`,
		ErrUnknownToken: `Bearer realm="eventfeed", error="invalid_token" | Basic realm="eventfeed", charset="UTF-8"`,
		ErrNotGranted:   `Bearer realm="eventfeed", error="insufficient_scope"`,
		ErrNotReadable:  `Bearer realm="eventfeed", error="insufficient_scope"`,
	} {
		header := http.Header{}
		Challenge(header, fmt.Errorf("wrapped: %w", err))
		if got := strings.Join(header.Values("WWW-Authenticate"), " | "); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

// A mistake in this file lets someone in, or keeps someone out: none is passed
// over, each is found by its line, and none is quoted.
func TestMistakesInTheFileNameTheirLine(t *testing.T) {
	t.Parallel()
	good := tokenEntry("a", "one", `read = ["x"]`) // four lines
	for text, want := range map[string]string{
		good + "[[tokens]]\nname = 'b'\n": `f:5: there is no such table`,
		good + "[other]\n":                `f:5: there is no such table`,
		good + "[token.x]\n":              `f:5: there is no such table`,
		good + "[[token.x]]\n":            `f:5: there is no such table`,
		"name = 'x'\n":                    `f:1: there is no such table`,
		"token = []\n":                    `f:1: there is no such table`,
		good + "write = ['x']\n":          `f:5: "write": there is no such key`,
		good + "Append = ['x']\n":         `f:5: "Append": there is no such key`,
		good + "a.b = 'x'\n":              `f:5: there is no such table`,
		strings.Replace(good, `sha256 = "`, `sha256 = "00`, 1):    `f:3: "sha256": must be the SHA-256`,
		"\n[[token]]\nname = 'b'\nsha256 = 'secret-token'\n":      `f:4: "sha256": must be the SHA-256`,
		"[[token]]\nsha256 = '" + strings.Repeat("x", 64) + "'\n": `f:2: "sha256": must be the SHA-256`,
		"[[token]]\nsha256 = 5\n":                                 `f:2: "sha256": must be the SHA-256`,
		"[[token]]\nname = 'secret token'\n":                      `f:2: "name": must be 1 to 63`,
		"[[token]]\nname = true\n":                                `f:2: "name": must be 1 to 63`,
		good + "append = ['y',\n 'Secret']\n":                     `f:5: "append": must be a list of feeds`,
		good + "append = ['*y']\n":                                `f:5: "append": must be a list of feeds`,
		good + "append = ['']\n":                                  `f:5: "append": must be a list of feeds`,
		good + "append = ['**']\n":                                `f:5: "append": must be a list of feeds`,
		good + "append = '*'\n":                                   `f:5: "append": must be a list of feeds`,
		good + "append = true\n":                                  `f:5: "append": must be a list of feeds`,
		good + "append = [['x']]\n":                               `f:5: "append": must be a list of feeds`,
		good + "append = [true]\n":                                `f:5: "append": must be a list of feeds`,
		good + "append = secret\n":                                `f:5: cannot be read`,
		good + "read = ['y']\n":                                   `f:5: "read": is there twice`,
		good + good:                                               `f:6: the name a: is there twice`,
		good + strings.Replace(good, `"a"`, `"b"`, 1):             `f:7: the sha256 of b is that of a`,
		"\n[[token]]\n":                                           `f:2: the token must have a name, a sha256`,
		strings.Replace(good, `read = ["x"]`, "", 1):              `f:1: the token must have a name, a sha256`,
		strings.Replace(good, `read = ["x"]`, "read = []", 1):     `f:1: the token must have a name, a sha256`,
		good + "\xff":                                             `f:5: cannot be read`,
		good + "secret":                                           `f:5: cannot be read`,
		good + "# \x00":                                           `f:5: cannot be read`,
	} {
		_, err := parseTokens("f", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("%s\n%v, want %s", text, err, want)
		}
	}
}

func TestNewTokenIsFoundByItsLines(t *testing.T) {
	t.Parallel()
	token, lines, err := NewToken("shipping", []string{"orders", "shop-*"}, []string{"*"})
	must.OK(t, err)
	other, _, err := NewToken("shipping", []string{"orders"}, nil)
	must.OK(t, err)
	if token == other || len(token) < 43 || strings.Contains(lines, token) {
		t.Errorf("token %s, then %s\n%s", token, other, lines)
	}
	tokens, _, _ := load(t, "# no end of line"+lines)
	grant, err := tokens.Grant(request("Bearer " + token))
	must.OK(t, err)
	if grant.Name != "shipping" || !grant.MayRead("shop-1") || grant.MayRead("x") || !grant.MayAppend("x") {
		t.Errorf("%+v", grant)
	}
	for _, bad := range [][3]string{{"a b", "x", "x"}, {"", "x", "x"}, {"a", "X", "x"}, {"a", "x", `x"`}, {"a\n", "x", "x"}} {
		if _, _, err := NewToken(bad[0], []string{bad[1]}, []string{bad[2]}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestChangedFileCountsOnceItIsWhole(t *testing.T) {
	t.Parallel()
	tokens, path, log := load(t, tokenEntry("a", "one", `read = ["*"]`))
	known := func(token string) bool {
		_, err := tokens.Grant(request("Bearer " + token))
		return err == nil
	}
	changed := tokens.Changed()
	write(t, path, tokenEntry("b", "two", `read = ["*"]`))
	tokens.file.look()
	if !known("one") || known("two") {
		t.Error("a file is taken that may be half written")
	}
	tokens.file.look()
	if known("one") || !known("two") {
		t.Error("a file that is whole is not taken")
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told of the change")
	}
	if log.String() == "" || strings.Contains(log.String(), "WARN") {
		t.Errorf("log: %s", log)
	}
}

func TestBrokenFileLeavesTheTokensBeforeAndWarnsOnce(t *testing.T) {
	t.Parallel()
	text := tokenEntry("a", "one", `read = ["*"]`)
	tokens, path, log := load(t, text)
	for what, breakIt := range map[string]func(){
		"unknown key": func() { write(t, path, text+"wirte = ['x']\n") },
		"gone":        func() { must.OK(t, os.Remove(path)) },
		"a folder":    func() { must.OK(t, errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700))) },
	} {
		log.Reset()
		breakIt()
		for range 5 {
			tokens.file.look()
		}
		if _, err := tokens.Grant(request("Bearer one")); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || strings.Count(got, "WARN") != 1 || what == "unknown key" && !strings.Contains(got, "tokens.toml:5: ") {
			t.Errorf("%s: log: %s", what, got)
		}
		log.Reset()
		must.OK(t, os.RemoveAll(path))
		write(t, path, text)
		for range 5 {
			tokens.file.look()
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "INFO") {
			t.Errorf("%s: log after it: %s", what, got)
		}
	}
}

// Kubernetes swaps the symbolic link of a folder.
func TestFileBehindALinkIsFollowed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, version := range []string{"one", "two"} {
		must.OK(t, os.Mkdir(filepath.Join(folder, version), 0o700))
		write(t, filepath.Join(folder, version, "tokens.toml"), tokenEntry("a", version, `read = ["*"]`))
	}
	must.OK(t, os.Symlink("one", filepath.Join(folder, "data")))
	tokens, err := LoadTokens(filepath.Join(folder, "data", "tokens.toml"), nil)
	must.OK(t, err)
	must.OK(t, os.Symlink("two", filepath.Join(folder, "new")))
	must.OK(t, os.Rename(filepath.Join(folder, "new"), filepath.Join(folder, "data")))
	tokens.file.look()
	tokens.file.look()
	if _, err := tokens.Grant(request("Bearer two")); err != nil {
		t.Error(err)
	}
}

func TestFileThatEveryoneReadsOrThatIsEmptyIsWarnedOf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.toml")
	for mode, want := range map[os.FileMode]string{0o644: "everyone on this machine", 0o640: ""} {
		must.OK(t, os.WriteFile(path, nil, 0o600))
		must.OK(t, os.Chmod(path, mode))
		var log bytes.Buffer
		_, err := LoadTokens(path, slog.New(slog.NewTextHandler(&log, nil)))
		must.OK(t, err)
		if got := log.String(); strings.Contains(got, "everyone on this machine") != (want != "") || !strings.Contains(got, "nobody may read") {
			t.Errorf("%o: %s", mode, got)
		}
	}
}

func TestOnlyThisMachineReachesALocalAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}:           true,
		&net.TCPAddr{IP: net.IPv4(127, 9, 9, 9)}:           true,
		&net.TCPAddr{IP: net.IPv6loopback}:                 true,
		&net.UnixAddr{Name: "/run/eventfeed", Net: "unix"}: true,
		&net.TCPAddr{IP: net.IPv4zero}:                     false,
		&net.TCPAddr{IP: net.IPv6unspecified}:              false,
		&net.TCPAddr{}:                                     false,
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}:            false,
		&net.UDPAddr{IP: net.IPv6loopback}:                 false,
	} {
		if got := Local(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestExampleInTheDocumentsIsAFileOfTokens(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/network.md")
	must.OK(t, err)
	_, rest, _ := strings.Cut(string(text), "```toml\n# tokens.toml\n")
	example, _, _ := strings.Cut(rest, "```")
	tokens, _, _ := load(t, example)
	grant, err := tokens.Grant(request("Bearer " + regexp.MustCompile(`eventfeed_[\w-]{43}`).FindString(string(text))))
	must.OK(t, err)
	if !grant.MayRead("orders") || !grant.MayRead("shop-1") || grant.MayAppend("orders") {
		t.Errorf("%+v", grant)
	}
}
