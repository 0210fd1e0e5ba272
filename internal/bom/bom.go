// Package bom skips the byte order mark (U+FEFF) that some editors and programs write at the
// beginning of a UTF-8 text. Anywhere else it is a character like others.
package bom

import (
	"bufio"
	"bytes"
	"io"
)

// Mark is the byte order mark in UTF-8.
var Mark = []byte("\ufeff")

// Trim returns a text without the mark at its beginning, if there is one.
func Trim(text []byte) []byte { return bytes.TrimPrefix(text, Mark) }

// NewReader returns a reader of what r gives, without the mark at its beginning, if
// there is one. It reads nothing before it is asked to.
func NewReader(r io.Reader) io.Reader { return &reader{Reader: bufio.NewReader(r)} }

type reader struct {
	*bufio.Reader
	begun bool
}

func (r *reader) Read(p []byte) (int, error) {
	if !r.begun {
		r.begun = true
		if start, _ := r.Peek(len(Mark)); bytes.Equal(start, Mark) { // an error comes again with the next Read
			_, _ = r.Discard(len(Mark))
		}
	}
	return r.Reader.Read(p)
}
