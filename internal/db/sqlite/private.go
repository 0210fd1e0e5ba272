package sqlitedb

import (
	"io"
	"os"
	"path/filepath"
)

// maxLinks is how many symbolic links are followed to a file that is not there yet.
const maxLinks = 40

// makePrivate makes an empty file at path that only its owner may read and write,
// whatever the umask. SQLite gives what it keeps beside the file the same rights. A
// file that is there stays as it is. It returns no error: where the file cannot be
// made SQLite's own attempt says why.
func makePrivate(path string) {
	for range maxLinks { // SQLite follows them, O_EXCL does not
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	// Without O_EXCL this could open a file that a connection of this process has
	// open, and closing it would end the locks of that connection.
	if file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
		_ = file.Close()
	}
}

// IsDatabase reports whether a file is an SQLite database, by how it begins (SQLite's
// file format, section 1.3). A file that cannot be read, and an empty one, is none.
func IsDatabase(path string) bool {
	const magic = "SQLite format 3\x00"
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	start := make([]byte, len(magic))
	_, err = io.ReadFull(file, start)
	return err == nil && string(start) == magic
}
