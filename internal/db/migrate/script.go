package migrate

import (
	"fmt"
	"io/fs"
	"strings"
)

// Script is SQL that is run in one transaction, by a program or by someone else.
type Script struct{ strings.Builder }

// Line adds a statement, or several.
func (s *Script) Line(text string) {
	s.WriteString(strings.TrimSpace(text))
	s.WriteString("\n\n")
}

// Migrations adds those after a version, each with the row that records it.
func (s *Script) Migrations(files fs.FS, versionTable string, after int64) error {
	names, err := fs.Glob(files, "*.sql") // in the order of their numbers
	if err != nil {
		return err
	}
	for i, name := range names[min(int(after), len(names)):] {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		s.Line("-- " + name)
		s.Line(withoutAnnotations(string(text)))
		s.Line(fmt.Sprintf("INSERT INTO %s (version_id, is_applied) VALUES (%d, true);", versionTable, after+int64(i)+1))
	}
	return nil
}

// withoutAnnotations leaves out the comments that are for goose.
func withoutAnnotations(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "-- +goose ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
