// Package folder keeps a site in a folder, for a web server to serve.
package folder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/eventfeed/eventfeed/internal/filelock"
	"github.com/eventfeed/eventfeed/internal/retry"
	"github.com/eventfeed/eventfeed/internal/site"
)

// own is the folder for the lock and for files that are being written, below the site. Its name begins
// with a dot, so that web servers hide it.
const own = ".eventfeed"

// compressed is what the name of a compressed file ends in. Web servers send it instead of the file
// without it, to clients that can decompress.
const compressed = ".gz"

// Folder is a site.Store. Any number of processes of one machine may use one folder.
type Folder struct {
	path         string
	files, above fs.FileMode // of files and of folders
}

// Open returns the site in a folder, which is made if it does not exist. Files of a site that is not
// public are for their owner and group only; Open refuses a folder in which others may read the feeds.
func Open(path string, public bool) (*Folder, error) {
	if err := checkMode(filepath.Join(path, "feeds"), public); err != nil {
		return nil, err
	}
	f := &Folder{path: path, files: 0o640, above: 0o750}
	if public {
		f.files, f.above = 0o644, 0o755
	}
	if err := f.makeFolder(filepath.Join(path, own)); err != nil {
		return nil, &site.OperatorError{Err: err, Usage: true, Next: "name a folder that this user may write to"}
	}
	if err := f.removeOld(); err != nil {
		return nil, err
	}
	return f, nil
}

// checkMode returns an error if a site that is to be private was exported for everyone.
func checkMode(path string, public bool) error {
	const others = 0o007
	info, err := os.Stat(path)
	if err != nil || public || isWindows || info.Mode()&others == 0 {
		return nil //nolint:nilerr // what cannot be looked at is not there, or says so when it is written
	}
	return &site.OperatorError{
		Err: fmt.Errorf("%s: everyone may read the feeds", path), Usage: true,
		Next: "if that is right: --public; if not: chmod -R o-rwx " + path,
	}
}

func (f *Folder) String() string { return f.path }

// Get returns the document in a file.
func (f *Folder) Get(ctx context.Context, key string) (site.Stored, error) {
	if err := ctx.Err(); err != nil {
		return site.Stored{}, err
	}
	body, err := os.ReadFile(f.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return site.Stored{}, fmt.Errorf("%s: %w", key, site.ErrAbsent)
	}
	return site.Stored{Body: body, Tag: tagOf(body)}, err
}

// Delete deletes a file, and first the compressed one beside it.
func (f *Folder) Delete(ctx context.Context, key string) error {
	return f.locked(ctx, func() error {
		file := f.file(key)
		for _, name := range []string{file + compressed, file} {
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := syncFolder(filepath.Dir(file)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func (f *Folder) file(key string) string { return filepath.Join(f.path, filepath.FromSlash(key)) }

func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// locked does something while no other process changes the site.
func (f *Folder) locked(ctx context.Context, do func() error) error {
	lock, err := f.lock(ctx)
	if err != nil {
		return err
	}
	defer filelock.Unlock(lock)
	return do()
}

// lockLimit is how long a process waits for another one that changes the site. The caller tries again.
const lockLimit = 30 * time.Second

// lock waits for the lock of the site.
func (f *Folder) lock(ctx context.Context) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(f.path, own, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for since := time.Now(); ; {
		locked, err := filelock.Try(file, false)
		if err == nil && !locked {
			err = retry.Sleep(ctx, 10*time.Millisecond)
			if err == nil && time.Since(since) > lockLimit {
				err = fmt.Errorf("%s: another process has held the lock for %v", file.Name(), lockLimit)
			}
		}
		if err != nil {
			_ = file.Close()
			return nil, err
		}
		if locked {
			return file, nil
		}
	}
}

// abandoned is the age at which a file that is being written is one of a process that has ended.
const abandoned = time.Hour

// removeOld removes files that processes have left behind.
func (f *Folder) removeOld() error {
	entries, err := os.ReadDir(filepath.Join(f.path, own))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || entry.Name() == "lock" || time.Since(info.ModTime()) < abandoned {
			continue
		}
		if err := os.Remove(filepath.Join(f.path, own, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// makeFolder makes a folder and those above it, with their modes whatever the umask is, and makes them
// durable.
func (f *Folder) makeFolder(path string) error {
	if info, err := os.Stat(path); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: path, Err: errors.New("is a file")}
		}
		return nil
	}
	above := filepath.Dir(path)
	if above != path {
		if err := f.makeFolder(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, f.above); err != nil {
		if errors.Is(err, fs.ErrExist) { // by another process, at this moment
			return nil
		}
		return err
	}
	if err := os.Chmod(path, f.above); err != nil {
		return err
	}
	return syncFolder(above)
}

// syncFolder makes the names in a folder durable. Not every system can.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	if err := folder.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !isWindows {
		return err
	}
	return nil
}
