package docs_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// documents returns the paths of all documents.
func documents(t *testing.T) []string {
	t.Helper()
	paths := []string{"../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../CHANGELOG.md"}
	for _, pattern := range []string{"../docs/*.md", "../docs/adr/*.md"} {
		found, err := filepath.Glob(pattern)
		must.OK(t, err)
		paths = append(paths, found...)
	}
	return paths
}

var (
	fences      = regexp.MustCompile("(?ms)^ *(```+)[^`\n]*(?:\n.*?)??\n *```+$")
	codeSpans   = regexp.MustCompile("``[^\n]*?``|`[^`\n]*`")
	inlineLinks = regexp.MustCompile(`\]\(\s*<?([^)\s>]*)>?[^)]*\)`)
	references  = regexp.MustCompile(`(?m)^\[[^\]\n]+\]:\s*(\S+)`)
	headings    = regexp.MustCompile(`(?m)^#{1,6} +(.*?)[ #]*$`)
	linkText    = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	named       = regexp.MustCompile(`\bdocs/[A-Za-z0-9/_.-]*\.md(#[a-z0-9_-]+)?`)
)

// prose is a document without its blocks of code.
func prose(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must.OK(t, err)
	return fences.ReplaceAllString(string(text), "")
}

// anchors returns the fragments that a document's headings can be reached by, as GitHub
// makes them.
func anchors(t *testing.T, path string) (all []string) {
	t.Helper()
	for _, heading := range headings.FindAllStringSubmatch(prose(t, path), -1) {
		text := linkText.ReplaceAllString(heading[1], "$1")
		anchor := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, text)
		for n, name := 0, anchor; ; name = anchor + "-" + string(rune('0'+n)) {
			if !slices.Contains(all, name) {
				all = append(all, name)
				break
			}
			n++
		}
	}
	return all
}

// checkLink reports why a link in a document leads nowhere, or "".
func checkLink(t *testing.T, document, link string) string {
	t.Helper()
	target, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	if target.Scheme != "" || target.Host != "" {
		return "" // elsewhere
	}
	path := document
	if target.Path != "" {
		path = filepath.Join(filepath.Dir(document), target.Path)
	}
	if !strings.HasPrefix(path, "../") || strings.HasPrefix(path, "../../") {
		return "leads out of the repository"
	}
	if _, err := os.Stat(path); err != nil {
		return "no such file"
	}
	if target.Fragment != "" && (!strings.HasSuffix(path, ".md") || !slices.Contains(anchors(t, path), target.Fragment)) {
		return "no such heading"
	}
	return ""
}

func TestLinksBetweenDocumentsResolve(t *testing.T) {
	t.Parallel()
	found := 0
	for _, document := range documents(t) {
		text := codeSpans.ReplaceAllString(prose(t, document), "")
		for _, link := range append(inlineLinks.FindAllStringSubmatch(text, -1), references.FindAllStringSubmatch(text, -1)...) {
			found++
			if wrong := checkLink(t, document, link[1]); wrong != "" {
				t.Errorf("%s: %s: %s", document, link[1], wrong)
			}
		}
	}
	if found < 100 {
		t.Errorf("%d links", found)
	}
}

// Help texts, errors, comments and configurations name documents by their paths.
func TestDocumentsThatTheSourcesNameExist(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"../cmd", "../deploy", "../event", "../examples", "../internal", "../outbox", "../seed", "../test"} {
		must.OK(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, name := range named.FindAllString(string(text), -1) {
				if wrong := checkLink(t, "../README.md", name); wrong != "" {
					t.Errorf("%s: %s: %s", path, name, wrong)
				}
			}
			return err
		}))
	}
}

// The README's index has every document.
func TestREADMEListsEveryDocument(t *testing.T) {
	t.Parallel()
	index := prose(t, "../README.md")
	paths, err := filepath.Glob("*.md")
	must.OK(t, err)
	for _, path := range paths {
		if !strings.Contains(index, "](docs/"+path+")") {
			t.Errorf("not in the README: docs/%s", path)
		}
	}
}
