package sqlitedb

import (
	"time"

	"golang.org/x/sys/unix"
)

// born returns when a file was made, or zero if its file system does not tell.
func born(path string) time.Time {
	var found unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &found)
	if err != nil || found.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}
	}
	return time.Unix(found.Btime.Sec, int64(found.Btime.Nsec))
}
