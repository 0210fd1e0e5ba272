package testdb

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// ServerUser is whom PostgreSQL and PgBouncer run as, which refuse to be root: the package's user,
// or any other without rights. It is nil where the tests do not run as root.
func ServerUser(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatalf("find a user for the server: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
