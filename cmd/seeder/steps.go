package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/html"
)

// thisProcess returns where the run is, and its commands are to be run.
func thisProcess() html.SeederProcess {
	host, _ := os.Hostname() // without it, or the directory, the page leaves it out
	directory, _ := os.Getwd()
	return html.SeederProcess{ID: os.Getpid(), Host: host, Directory: directory}
}

// steps returns the steps that apply the parked events of the run.
func (p *runPage) steps(retry string) []html.SeederStep {
	cause := html.SeederStep{
		Do:   fmt.Sprintf("Fix the cause: in the target’s tables (a constraint, a missing row), or in the projection %s.", p.sinks.projection),
		Note: "The cause may also be the publisher’s data. Published events do not change, so let the projection correct or skip such events.",
	}
	if p.sinks.isInbox() {
		cause.Do = "Fix the cause: the inbox stores events as they are, so look for a constraint or a trigger on its table."
		cause.Note = "The cause may also be the publisher’s data, such as text that the database cannot store."
	}
	apply := html.SeederStep{
		Do: "Apply the parked events.", Command: retry,
		Note: "It prints how many it applied, and which still fail. Until this seeder has stopped, it changes nothing and exits with status 4." + notShown(hidden(p.into, "--into")),
	}
	if p.sinks.projection != "" {
		apply.Or, apply.OrCommand = fmt.Sprintf("If you changed %s in step 1, run this command instead, which accepts the change:", p.sinks.projection), retry+" --accept-projection"
	}
	on := ""
	if p.process.Host != "" {
		on = " on host " + p.process.Host
	}
	return []html.SeederStep{
		cause,
		{
			Do: fmt.Sprintf("Stop this seeder, process %d%s.", p.process.ID, on), Command: fmt.Sprintf("kill %d", p.process.ID),
			Note: "If a service manager (systemd, Docker, Kubernetes) started it, stop it there instead, and start it there in step 4.",
		},
		apply,
		{Do: "Start the seeder again. It continues where it stopped.", Command: p.again, Note: strings.TrimSpace(notShown(p.secret))},
	}
}

// notShown says which settings a command lacks.
func notShown(settings []string) string {
	if len(settings) == 0 {
		return ""
	}
	return " Not shown, because it may be secret: " + strings.Join(settings, ", ") + ". Give this as the present seeder got it."
}

// hidden returns what urlFlag does not show of the value of a flag.
func hidden(value, flag string) []string {
	if withoutPassword(value) == value {
		return nil
	}
	return []string{"the password of " + flag}
}

// doneOnce are flags of a run that a later run does not need. To accept further changes would be
// dangerous.
var doneOnce = []string{"accept-projection", "add-feed"}

// againLine returns the command that starts a run again, with the settings of a command, and which
// settings it lacks because they may be secret.
func againLine(command *cobra.Command) (line string, secret []string) {
	flags := command.Flags()
	line = "seeder run"
	add := func(f *pflag.Flag) {
		text, hides := againFlag(f)
		line, secret = line+text, append(secret, hides...)
	}
	first := []string{"from", "into"}
	for _, name := range first {
		add(flags.Lookup(name))
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(first, f.Name) {
			add(f)
		}
	})
	return line, slices.Compact(secret)
}

// accessLine returns the flags for access to the feed's server, as a command has them or the file of its
// --config, and which of them it lacks because they may be secret.
func accessLine(command *cobra.Command) (line string, secret []string) {
	for _, group := range []string{accessGroup, foreignGroup} {
		_, names, _ := strings.Cut(group, ": ")
		for name := range strings.FieldsSeq(names) {
			if f := command.Flags().Lookup(name); f.Changed {
				text, hides := flagLine(f)
				line, secret = line+text, append(secret, hides...)
			}
		}
	}
	return line, secret
}

// againFlag returns a flag with its value for a shell; empty if it has its default, or its value
// from the file of --config.
func againFlag(f *pflag.Flag) (text string, secret []string) {
	if !f.Changed || cli.FromFile(f) || slices.Contains(doneOnce, f.Name) {
		return "", nil
	}
	return flagLine(f)
}

// flagLine returns a flag with its value for a shell.
func flagLine(f *pflag.Flag) (text string, secret []string) {
	name := " --" + f.Name
	switch value := f.Value.(type) {
	case *cli.URLs:
		for _, url := range *value {
			text, secret = text+urlFlag(f.Name, url), append(secret, hidden(url, "--"+f.Name)...)
		}
		return text, secret
	case *cli.Fields:
		return "", []string{"--" + f.Name}
	case pflag.SliceValue:
		return name + " " + cli.Quote(strings.Join(value.GetSlice(), ",")), nil
	}
	switch value := f.Value.String(); {
	case f.Name == "exec":
		return "", []string{"--exec"}
	case f.Name == "into":
		return urlFlag(f.Name, value), hidden(value, "--into")
	case f.Value.Type() == "bool" && value == "true":
		return name, nil
	case f.Value.Type() == "bool":
		return name + "=" + value, nil
	default:
		return name + " " + cli.Quote(value), nil
	}
}
