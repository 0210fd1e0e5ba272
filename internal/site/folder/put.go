package folder

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/site"
)

const isWindows = runtime.GOOS == "windows"

// writers is how many files are written at once. File systems make several durable in one go.
const writers = 16

// staged is an object in files that have no name of the site yet.
type staged struct {
	plain, gzip string // paths; gzip is empty for an object that changes
}

func (s staged) remove() {
	for _, path := range []string{s.plain, s.gzip} {
		if path != "" {
			_ = os.Remove(path)
		}
	}
}

// Put writes all objects to files that are durable, and then gives them their names.
func (f *Folder) Put(ctx context.Context, objects []site.Object) (refused []int, err error) {
	files := make([]staged, len(objects))
	defer func() {
		for _, s := range files {
			s.remove() // those that have got their names are not there any more
		}
	}()
	writing, ctxWriting := errgroup.WithContext(ctx)
	writing.SetLimit(writers)
	for i := range objects {
		writing.Go(func() error { return f.stage(ctxWriting, &objects[i], &files[i]) })
	}
	if err := writing.Wait(); err != nil {
		return nil, err
	}
	changed := make(map[string]bool)
	err = f.locked(ctx, func() error {
		for i := range objects {
			holds, err := f.holds(&objects[i])
			if err != nil {
				return err
			}
			if !holds {
				refused = append(refused, i)
				if err := f.complete(&objects[i], files[i]); err != nil {
					return err
				}
				continue
			}
			if err := f.name(&objects[i], files[i]); err != nil {
				return err
			}
			changed[filepath.Dir(f.file(objects[i].Key))] = true
		}
		for path := range maps.Keys(changed) {
			if err := syncFolder(path); err != nil {
				return err
			}
		}
		return nil
	})
	return refused, err
}

// stage writes the files of an object.
func (f *Folder) stage(ctx context.Context, o *site.Object, to *staged) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if to.plain, err = f.write(o.Body); err != nil || o.Kind != site.Final {
		return err
	}
	to.gzip, err = f.write(compress.Gzip(o.Body))
	return err
}

// write writes a file that is durable.
func (f *Folder) write(body []byte) (path string, err error) {
	file, err := os.CreateTemp(filepath.Join(f.path, own), "new-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(body)
	if err == nil {
		err = file.Chmod(f.files)
	}
	if err == nil {
		err = file.Sync()
	}
	return file.Name(), errors.Join(err, file.Close())
}

// holds reports whether the condition of an object holds.
func (f *Folder) holds(o *site.Object) (bool, error) {
	if o.Replaces == "" {
		_, err := os.Lstat(f.file(o.Key))
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		return false, err
	}
	body, err := os.ReadFile(f.file(o.Key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && tagOf(body) == o.Replaces, err
}

// name gives the files of an object their names. A compressed file of another content never stands
// beside the new one.
func (f *Folder) name(o *site.Object, s staged) error {
	to := f.file(o.Key)
	if err := f.makeFolder(filepath.Dir(to)); err != nil {
		return err
	}
	when, err := modified(to)
	if err != nil {
		return err
	}
	if err := os.Remove(to + compressed); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := rename(s.plain, to, when); err != nil || s.gzip == "" {
		return err
	}
	return rename(s.gzip, to+compressed, when)
}

// complete gives a final object that is there its compressed file, if a process was killed before it could.
func (f *Folder) complete(o *site.Object, s staged) error {
	to := f.file(o.Key)
	if s.gzip == "" {
		return nil
	}
	if _, err := os.Lstat(to + compressed); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	body, err := os.ReadFile(to)
	if err != nil || !bytes.Equal(body, o.Body) {
		return err
	}
	info, err := os.Stat(to)
	if err != nil {
		return err
	}
	if err := rename(s.gzip, to+compressed, info.ModTime()); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// modified returns the modification time for a file that takes the place of another one: at least a
// second after that one's, because entity tags of web servers are made of whole seconds and the size.
func modified(path string) (time.Time, error) {
	now := time.Now().Truncate(time.Second)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	if next := info.ModTime().Truncate(time.Second).Add(time.Second); next.After(now) {
		return next, nil
	}
	return now, nil
}

func rename(from, to string, when time.Time) error {
	if err := os.Chtimes(from, when, when); err != nil {
		return err
	}
	return os.Rename(from, to)
}
