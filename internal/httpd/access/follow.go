package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// pace is how often files are looked at. It is their contents that are
	// compared: a certificate or a list of tokens is small, and times, sizes
	// and notifications each miss something, such as the swapped symbolic links
	// of mounted secrets, a second change within the clock's step, or a change
	// made on another machine of a network file system.
	pace = time.Second

	// maxFile bounds what is read of a file.
	maxFile = 16 << 20
)

// followed is a value that is read from files, and read again when they change. While the files are
// invalid, the previous value is used.
type followed[T any] struct {
	files   []string
	parse   func(contents [][]byte) (T, error)
	logger  *slog.Logger // nil means discard
	current atomic.Pointer[version[T]]

	seen    [sha256.Size]byte // what the last look saw
	settled [sha256.Size]byte // what was made a value, or refused
}

// version is a value as it stood for some time.
type version[T any] struct {
	value    T
	replaced chan struct{} // closed when another one stands
}

// load makes the first value.
func (f *followed[T]) load() error {
	if f.logger == nil {
		f.logger = slog.New(slog.DiscardHandler)
	}
	contents, err := readAll(f.files)
	if err != nil {
		return err
	}
	value, err := f.parse(contents)
	if err != nil {
		return err
	}
	f.seen = fingerprint(contents, nil)
	f.settled = f.seen
	f.put(value)
	return nil
}

func (f *followed[T]) put(value T) {
	if before := f.current.Swap(&version[T]{value, make(chan struct{})}); before != nil {
		close(before.replaced)
	}
}

// run looks at the files until ctx is done. After each look it calls then.
func (f *followed[T]) run(ctx context.Context, then func()) error {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			f.look()
			then()
		}
	}
}

// look takes what is new in the files once two looks have seen the same: a
// file may be half written, and a certificate there before its key.
func (f *followed[T]) look() {
	contents, err := readAll(f.files)
	now := fingerprint(contents, err)
	if now != f.seen {
		f.seen = now
		return
	}
	if now == f.settled {
		return
	}
	f.settled = now
	var value T
	if err == nil {
		value, err = f.parse(contents)
	}
	if err != nil {
		f.logger.Warn("cannot use a changed file, its previous content stays in effect", "file", strings.Join(f.files, ", "), "error", err)
		return
	}
	f.put(value)
	f.logger.Info("a changed file is in use", "file", strings.Join(f.files, ", "))
}

func fingerprint(contents [][]byte, err error) [sha256.Size]byte {
	hash := sha256.New()
	for _, content := range contents {
		sum := sha256.Sum256(content)
		hash.Write(sum[:])
	}
	_, _ = fmt.Fprint(hash, err)
	return [sha256.Size]byte(hash.Sum(nil))
}

func readAll(files []string) (contents [][]byte, err error) {
	for _, file := range files {
		content, err := read(file)
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return contents, nil
}

// read reads a file that can be read again: no pipe, which would have been
// read to its end the first time.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: must be a file that can be read again when it changes, no folder and no pipe", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var content bytes.Buffer
	if n, err := content.ReadFrom(io.LimitReader(file, maxFile+1)); err != nil {
		return nil, err
	} else if n > maxFile {
		return nil, fmt.Errorf("%s: has more than %d MiB", path, maxFile>>20)
	}
	return content.Bytes(), nil
}

// warnOfReaders warns of a file that everyone on the machine can read. A group
// that can is somebody's intent, such as a mounted secret.
func warnOfReaders(path string, logger *slog.Logger) {
	const othersRead = 0o004
	if info, err := os.Stat(path); err == nil && info.Mode()&othersRead != 0 {
		logger.Warn("everyone on this machine can read a private file", "file", path, "next", "chmod o= "+path)
	}
}
