package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// warnOfArguments warns of passwords among the process's arguments.
func warnOfArguments(command *cobra.Command, arguments []string) {
	var there, instead []string
	command.Flags().VisitAll(func(f *pflag.Flag) {
		kind, name := source(f)
		if kind != "flag" || !holdsSecretField(f) && (!isURL(f) || !holdsPassword(f.Value.String())) {
			return
		}
		there = append(there, name)
		instead = append(instead, "$"+variable(f))
		if postgresdb.IsURL(f.Value.String()) && !slices.Contains(instead, "$PGPASSFILE") {
			instead = append(instead, "$PGPASSFILE")
		}
	})
	if slices.ContainsFunc(arguments, holdsPassword) {
		there = append(there, "the URL")
	}
	if len(there) == 0 {
		return
	}
	advice := ""
	if len(instead) > 0 {
		advice = "; give it in " + strings.Join(instead, ", ") + " or a file for --config"
	}
	_, _ = terminal.Fprintf(command.ErrOrStderr(), "%s: warning: others on this machine can see the password in %s, in the list of processes%s\n",
		command.Root().Name(), strings.Join(there, " and "), advice)
}

// warnOfFiles warns of an SQLite database that everyone may read. eventfeed makes its
// files for their owner alone; a group that may is somebody's intent.
func warnOfFiles(command *cobra.Command) {
	command.Flags().VisitAll(func(f *pflag.Flag) {
		path, err := sqlitedb.Path(f.Value.String())
		if !isURL(f) || err != nil || !everyoneReads(path) || !sqlitedb.IsDatabase(path) {
			return
		}
		files := []string{Quote(path)}
		for _, beside := range []string{"-wal", "-shm", "-journal"} {
			if _, err := os.Stat(path + beside); err == nil {
				files = append(files, Quote(path+beside))
			}
		}
		_, _ = terminal.Fprintf(command.ErrOrStderr(), "%s: warning: everyone on this machine can read the database %s; change that with: chmod o= %s\n",
			command.Root().Name(), path, strings.Join(files, " "))
	})
}

// everyoneReads reports whether every user of the machine may read a file, by its
// rights and those of the folders that lead to it.
func everyoneReads(path string) bool {
	const othersRead, othersEnter = 0o004, 0o001
	info, err := os.Stat(path)
	if err != nil || info.Mode()&othersRead == 0 {
		return false
	}
	folder, err := filepath.Abs(path)
	for err == nil && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		if info, err = os.Stat(folder); err == nil && info.Mode()&othersEnter == 0 {
			return false
		}
	}
	return true
}

// warnOfReaders warns of a file with a password in it that everyone may read.
// A group that may is somebody's intent, such as a volume of secrets.
func warnOfReaders(command *cobra.Command, file string, settings []setting) {
	const othersRead = 0o004
	info, err := os.Stat(file)
	if err != nil || info.Mode()&othersRead == 0 {
		return
	}
	if slices.ContainsFunc(settings, func(s setting) bool {
		return holdsPassword(s.value) || holdsSecretField(command.Flags().Lookup(s.name))
	}) {
		_, _ = terminal.Fprintf(command.ErrOrStderr(), "%s: warning: everyone on this machine can read the password in %s; change that with: chmod 600 %s\n",
			command.Root().Name(), file, file)
	}
}
