package cli

// HelpSettings is what the help of a program says of its settings, with two
// lines of a file as an example.
func HelpSettings(example string) string {
	return `Every flag can also come from the environment, by the name in brackets, or from
a file that --config names, by the flag's own name. A flag stands before the
environment, the environment before the file, the file before the default. The
file is TOML and serves all commands of the program:

` + example
}

// HelpDatabases is what the help of each program says of databases.
const HelpDatabases = `A database is given as a URL:

  sqlite:PATH                       a file
  postgres://USER@HOST:PORT/NAME    PostgreSQL 13 or later

PostgreSQL's password is best left out of the URL: it comes from the file
~/.pgpass or $PGPASSFILE (a line HOST:PORT:NAME:USER:PASSWORD), from
$PGPASSWORD, or stands in a URL in the environment or in the file of --config.
Among the arguments others on the machine can see it.`
