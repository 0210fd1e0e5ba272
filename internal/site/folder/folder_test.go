package folder_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/folder"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/sitetest"
)

func open(t *testing.T, path string, public bool) *folder.Folder {
	t.Helper()
	f, err := folder.Open(path, public)
	must.OK(t, err)
	return f
}

func TestFolder(t *testing.T) {
	t.Parallel()
	sitetest.Run(t, func(t *testing.T) func() site.Store {
		path := filepath.Join(t.TempDir(), "site")
		return func() site.Store { return open(t, path, true) }
	})
}

const key = "feeds/orders/archive/0a91e1dd-7b9c-4b3e-9f5b-1f3f0c2f4f11/7"

func put(t *testing.T, f *folder.Folder, o site.Object) {
	t.Helper()
	refused, err := f.Put(t.Context(), []site.Object{o})
	must.OK(t, err)
	if len(refused) > 0 {
		t.Fatalf("%s was refused", o.Key)
	}
}

func TestAFinalArchiveStandsBesideItsCompressedFileAndTheNewestDoesNot(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	f := open(t, path, true)
	put(t, f, site.Object{Key: key, Kind: site.Newest, Body: []byte("newest")})
	file := filepath.Join(path, key)
	if _, err := os.Stat(file + ".gz"); !os.IsNotExist(err) {
		t.Errorf("the newest archive: %v", err)
	}
	newest, err := os.Stat(file)
	must.OK(t, err)
	stored, err := f.Get(t.Context(), key)
	must.OK(t, err)
	put(t, f, site.Object{Key: key, Kind: site.Final, Body: []byte("final"), Replaces: stored.Tag})
	packed, err := os.ReadFile(file + ".gz")
	must.OK(t, err)
	r, err := gzip.NewReader(bytes.NewReader(packed))
	must.OK(t, err)
	if plain, err := io.ReadAll(r); err != nil || string(plain) != "final" {
		t.Errorf("%q, %v", plain, err)
	}
	for _, name := range []string{file, file + ".gz"} { // web servers make entity tags of seconds and size
		final, err := os.Stat(name)
		must.OK(t, err)
		if apart := final.ModTime().Sub(newest.ModTime()); apart < time.Second {
			t.Errorf("%s was modified %v after the one that it replaces", name, apart)
		}
	}
	must.OK(t, f.Delete(t.Context(), key))
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestACompressedFileThatAProcessCouldNotWriteAnyMoreIsWrittenLater(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	f := open(t, path, true)
	final := site.Object{Key: key, Kind: site.Final, Body: []byte("final")}
	put(t, f, final)
	packed := filepath.Join(path, key) + ".gz"
	must.OK(t, os.Remove(packed)) // as after a kill between the two names
	other := final
	other.Body = []byte("other")
	for _, test := range []struct {
		object  site.Object
		written bool
	}{{other, false}, {final, true}} {
		refused, err := f.Put(t.Context(), []site.Object{test.object})
		must.OK(t, err)
		if _, err := os.Stat(packed); len(refused) != 1 || (err == nil) != test.written {
			t.Errorf("%s: refused %v, %v", test.object.Body, refused, err)
		}
	}
}

func TestFilesAreForAllOrForTheGroupWhateverTheUmaskIs(t *testing.T) {
	t.Parallel()
	for public, modes := range map[bool][2]fs.FileMode{true: {0o644, 0o755}, false: {0o640, 0o750}} {
		path := filepath.Join(t.TempDir(), "site")
		put(t, open(t, path, public), site.Object{Key: key, Kind: site.Final, Body: []byte("x")})
		must.OK(t, filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(name, "lock") {
				return err
			}
			info, err := entry.Info()
			must.OK(t, err)
			want := modes[0]
			if entry.IsDir() {
				want = modes[1]
			}
			if info.Mode().Perm() != want {
				t.Errorf("public %t: %s has mode %o, want %o", public, name, info.Mode().Perm(), want)
			}
			return nil
		}))
	}
}

func TestAPrivateSiteRefusesAFolderThatEveryoneMayRead(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	put(t, open(t, path, true), site.Object{Key: key, Kind: site.Final, Body: []byte("final")})
	_, err := folder.Open(path, false)
	if operator, is := errors.AsType[*site.OperatorError](err); !is || !operator.Usage || !strings.Contains(operator.Next, "chmod -R o-rwx") {
		t.Fatalf("opened with %v", err)
	}
	must.OK(t, filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.Chmod(name, info.Mode()&^0o007)
	}))
	if stored, err := open(t, path, false).Get(t.Context(), key); err != nil || string(stored.Body) != "final" {
		t.Errorf("%q, %v", stored.Body, err)
	}
}

func TestWhatAProcessThatWasKilledLeftIsRemovedLater(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	open(t, path, true)
	old, young := filepath.Join(path, ".eventfeed", "new-1"), filepath.Join(path, ".eventfeed", "new-2")
	for _, name := range []string{old, young} {
		must.OK(t, os.WriteFile(name, nil, 0o600))
	}
	day := time.Now().Add(-24 * time.Hour)
	must.OK(t, os.Chtimes(old, day, day))
	open(t, path, true)
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("a file of yesterday is there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("a file that may be written at the moment is gone: %v", err)
	}
}
