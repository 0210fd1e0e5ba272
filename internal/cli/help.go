package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// HelpDatabases lists the forms of a database URL, for the help of a program.
const HelpDatabases = `Databases:
  sqlite:PATH                      an SQLite file
  postgres://USER@HOST:PORT/NAME   PostgreSQL 13 or later; keep its password in ~/.pgpass`

// flagGroupsNote is the annotation of a command that GroupFlags has set.
const flagGroupsNote = "eventfeed_flag_groups"

// GroupFlags sets the groups in which the help of a command lists its flags, in order.
// Each line of groups is "TITLE: FLAG FLAG …". The flags that every command has follow in
// a group of their own.
func GroupFlags(command *cobra.Command, groups ...string) {
	if command.Annotations == nil {
		command.Annotations = make(map[string]string)
	}
	command.Annotations[flagGroupsNote] = strings.Join(groups, "\n")
}

// flagGroup is a part of the flags of a command, as its help lists them.
type flagGroup struct {
	title string
	flags []*pflag.Flag
}

// flagGroups returns the flags of a command in the groups of its help. It panics if
// GroupFlags names a flag that does not exist, or misses one.
func flagGroups(command *cobra.Command) (groups []flagGroup) {
	command.InitDefaultHelpFlag()
	command.InitDefaultVersionFlag()
	listed := make(map[string]bool)
	for line := range strings.Lines(command.Annotations[flagGroupsNote]) {
		end := strings.LastIndex(line, ":")
		group := flagGroup{title: line[:end]}
		for name := range strings.FieldsSeq(line[end+1:]) {
			f := command.Flags().Lookup(name)
			if f == nil {
				panic(command.CommandPath() + " has no flag --" + name)
			}
			group.flags, listed[name] = append(group.flags, f), true
		}
		groups = append(groups, group)
	}
	own, general := flagGroup{title: "Flags"}, flagGroup{title: "General"}
	add := func(f *pflag.Flag) {
		switch {
		case listed[f.Name] || f.Hidden:
		case f.Name == configFlag || f.Name == "help" || f.Name == "version":
			general.flags = append(general.flags, f)
		default:
			own.flags = append(own.flags, f)
		}
	}
	command.NonInheritedFlags().VisitAll(add)
	command.InheritedFlags().VisitAll(add)
	if len(own.flags) > 0 {
		if groups != nil {
			panic(command.CommandPath() + " has the flag --" + own.flags[0].Name + " in no group")
		}
		groups = append(groups, own)
	}
	slices.SortFunc(general.flags, func(a, b *pflag.Flag) int { return strings.Compare(a.Name, b.Name) })
	return append(groups, general)
}

// printHelp prints the help of a command.
func printHelp(w io.Writer, command *cobra.Command) error {
	text := &strings.Builder{}
	about := command.Long
	if about == "" {
		about = command.Short
	}
	writeText(text, about)
	text.WriteString("\n")
	writeUsage(text, command)
	_, err := io.WriteString(w, text.String())
	return err
}

// writeUsage writes how a command is called: its usage, examples, commands and flags.
func writeUsage(text *strings.Builder, command *cobra.Command) {
	usage := command.UseLine()
	if command.HasAvailableSubCommands() {
		usage = command.CommandPath() + " COMMAND [flags]"
	}
	text.WriteString("Usage:\n  " + usage + "\n")
	if command.HasExample() {
		text.WriteString("\nExamples:\n" + command.Example + "\n")
	}
	if command.HasAvailableSubCommands() {
		text.WriteString("\nCommands:\n")
		for _, c := range command.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				text.WriteString("  " + padded(c.Name(), command.NamePadding()) + "  " + c.Short + "\n")
			}
		}
	}
	writeFlags(text, flagGroups(command))
	if end := command.Annotations[helpEndNote]; end != "" {
		text.WriteString("\n")
		writeText(text, end)
	}
}

// helpEndNote is the annotation of a command that HelpEnd has set.
const helpEndNote = "eventfeed_help_end"

// HelpEnd sets the text at the end of the help of a command: exit statuses, and the
// documents to read on in.
func HelpEnd(command *cobra.Command, text string) {
	if command.Annotations == nil {
		command.Annotations = make(map[string]string)
	}
	command.Annotations[helpEndNote] = text
}

// helpWidth is the number of columns of a line of flags.
const helpWidth = 100

func writeFlags(text *strings.Builder, groups []flagGroup) {
	column := 0
	for _, group := range groups {
		for _, f := range group.flags {
			column = max(column, len(flagName(f)))
		}
	}
	for _, group := range groups {
		text.WriteString("\n" + group.title + ":\n")
		for _, f := range group.flags {
			name := flagName(f)
			for _, line := range wrap(flagText(f), helpWidth-column-len("  ")-len("   ")) {
				text.WriteString("  " + padded(name, column) + "   " + line + "\n")
				name = ""
			}
		}
	}
}

// padded returns a text with spaces after it, up to a width.
func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-len(text)))
}

// flagName returns a flag as it is typed, with a word for its value.
func flagName(f *pflag.Flag) string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if value, _ := pflag.UnquoteUsage(f); value != "" {
		name += " " + value
	}
	return name
}

// flagText returns what the help says of a flag: its meaning, its default, and how it is
// set where that differs from the rule.
func flagText(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
	default:
		value := f.DefValue
		if f.Value.Type() == "string" || f.Value.Type() == "word" {
			value = fmt.Sprintf("%q", value)
		}
		text += " (default " + value + ")"
	}
	switch {
	case f.Annotations[variableNote] != nil:
		text += " [$" + variable(f) + "]"
	case !settable(f) && f.Name != "help" && f.Name != "version":
		text += " [command line only]"
	}
	return text
}

// writeText writes a text, with its paragraphs wrapped. Lines that begin with a space, or
// end with a colon, stay as they are; a line that begins with "See" begins a paragraph.
func writeText(to *strings.Builder, text string) {
	paragraph := ""
	flush := func() {
		if paragraph != "" {
			to.WriteString(strings.Join(wrap(paragraph, helpWidth), "\n") + "\n")
		}
		paragraph = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, " ") || strings.HasSuffix(line, ":") {
			flush()
			to.WriteString(line + "\n")
			continue
		}
		if strings.HasPrefix(line, "See ") {
			flush()
		}
		paragraph += " " + line
	}
	flush()
}

// wrap breaks a text into lines of a width, between words.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
