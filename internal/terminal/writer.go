package terminal

import (
	"io"
	"os"
	"slices"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// Writer writes text for people: every character that is not Visible is escaped, but
// for line breaks and tabs. Several goroutines may write at once.
type Writer struct {
	w io.Writer

	mu   sync.Mutex
	held []byte // the beginning of a character whose rest has not been written yet
}

// NewWriter returns a writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes text. A character may be split between two calls.
func (w *Writer) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := text
	if len(w.held) > 0 {
		all = slices.Concat(w.held, text)
	}
	whole := len(all) - incomplete(all)
	w.held = append([]byte(nil), all[whole:]...)
	if _, err := w.w.Write(escape(all[:whole], "\n\t", goEscape)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Flush writes a character of which only the beginning was written.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.held) == 0 {
		return nil
	}
	held := w.held
	w.held = nil
	_, err := w.w.Write(escape(held, "", goEscape))
	return err
}

// incomplete returns how many bytes at the end of text begin a character without
// ending it.
func incomplete(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		end := text[len(text)-n:]
		if utf8.RuneStart(end[0]) {
			if utf8.FullRune(end) {
				return 0
			}
			return n
		}
	}
	return 0
}

// Of returns the terminal to which w writes, for what draws on it: only the
// program's own text may go there.
func Of(w io.Writer) (terminal *os.File, is bool) {
	file, is := File(w)
	return file, is && term.IsTerminal(int(file.Fd()))
}

// File returns the file to which w writes.
func File(w io.Writer) (file *os.File, is bool) {
	if filtered, ok := w.(*Writer); ok {
		w = filtered.w
	}
	file, is = w.(*os.File)
	return file, is
}
