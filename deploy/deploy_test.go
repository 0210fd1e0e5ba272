// Package deploy_test checks that the files to deploy with fit the commands
// and one another, without a cluster.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// container is one container of ours, in whichever file it stands.
type container struct {
	name      string
	image     string
	commands  [][]string // its command line, and that of its health check
	variables []string
	locked    bool // nothing can be written but to volumes, no right can be had
}

func TestCommandLinesAndVariablesAreThoseOfTheCommands(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for _, c := range containers(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, line := range c.commands {
				// Flags are parsed before the help is printed.
				help := output(t, filepath.Join(bin, line[0]), append(line[1:], "--help")...)
				if !strings.Contains(help, "\n  "+line[0]+" "+line[1]+" ") {
					t.Errorf("%q is not a command: %s", line, help)
				}
			}
			help := output(t, filepath.Join(bin, c.commands[0][0]), c.commands[0][1], "--help")
			for _, name := range c.variables {
				if strings.HasPrefix(name, "EVENTFEED_") && !sets(name, help) {
					t.Errorf("%s is no variable of %q", name, c.commands[0])
				}
			}
		})
	}
}

// sets reports whether a variable sets a flag of a command, by the command's help: under
// the name that the help gives, or under the flag's own.
func sets(name, help string) bool {
	flag := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "EVENTFEED_"), "_", "-"))
	_, text, is := strings.Cut(help, "\n  "+flag+" ")
	text, _, _ = strings.Cut(text, "\n  -")
	text = strings.Join(strings.Fields(text), " ")
	return strings.Contains(help, "[$"+name+"]") || is && !strings.Contains(text, "[$") && !strings.Contains(text, "[command line only]")
}

func TestNoPasswordStandsInACommandLine(t *testing.T) {
	t.Parallel()
	database := regexp.MustCompile(`(?i)postgres(ql)?://|passw`)
	for _, c := range containers(t) {
		for _, line := range c.commands {
			if slices.ContainsFunc(line, database.MatchString) {
				t.Errorf("%s: %q: give databases as variables, everyone can read command lines", c.name, line)
			}
		}
	}
}

func TestEveryContainerRunsTheOneImageAndIsLocked(t *testing.T) {
	t.Parallel()
	image := regexp.MustCompile(`docker build -t (\S+) \.`).FindStringSubmatch(read(t, "../Dockerfile"))[1]
	for _, c := range containers(t) {
		if c.image != image {
			t.Errorf("%s: image %s, want %s as in the Dockerfile", c.name, c.image, image)
		}
		if !c.locked {
			t.Errorf("%s: must have a read-only root file system, no capabilities, and no way to get more", c.name)
		}
	}
}

func TestImageIsBuiltWithTheGoOfTheModule(t *testing.T) {
	t.Parallel()
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	image := regexp.MustCompile(`golang:(\d+\.\d+)-`).FindStringSubmatch(read(t, "../Dockerfile"))[1]
	if module != image {
		t.Errorf("go.mod has Go %s, the Dockerfile %s", module, image)
	}
}

func TestLinkerSetsTheVersion(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for _, name := range []string{"feedserver", "seeder"} {
		got, want := output(t, filepath.Join(bin, name), "--version"), name+" 1.2.0 (commit c0ffee, 2026-11-23T08:52:44Z, go"
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q and so on", got, want)
		}
	}
}

// programs is the folder with the commands, built once.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "eventfeed-deploy"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(programs) }()
		return m.Run()
	}())
}

var buildOnce sync.Once

// build builds the commands as a release is built, and returns their folder.
func build(t *testing.T) string {
	bin := programs + string(filepath.Separator)
	buildOnce.Do(func() {
		flags := output(t, "../scripts/ldflags", "v1.2.0", "c0ffee", "2026-11-23T08:52:44Z")
		output(t, "go", "build", "-ldflags", flags, "-o", bin, "../cmd/feedserver", "../cmd/seeder")
	})
	return bin
}

func output(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, &stderr)
	}
	return stdout.String()
}

func containers(t *testing.T) []container {
	all := append(composed(t), orchestrated(t)...)
	if len(all) < 9 {
		t.Fatalf("only %d containers found", len(all))
	}
	return all
}

// composed returns the containers of compose.yaml that are ours.
func composed(t *testing.T) (all []container) {
	var file struct {
		Services map[string]struct {
			Image       string
			Command     []string
			Environment map[string]string
			Healthcheck struct{ Test []string }
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			SecurityOpt []string `yaml:"security_opt"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		if strings.HasPrefix(s.Image, "postgres:") {
			continue
		}
		c := container{
			name: "compose/" + name, image: s.Image, commands: [][]string{s.Command},
			variables: slices.Collect(maps.Keys(s.Environment)),
			locked:    s.ReadOnly && slices.Contains(s.CapDrop, "ALL") && slices.Contains(s.SecurityOpt, "no-new-privileges:true"),
		}
		if len(s.Healthcheck.Test) > 0 {
			c.commands = append(c.commands, s.Healthcheck.Test[1:])
		}
		all = append(all, c)
	}
	return all
}

// orchestrated returns the containers of the manifests for Kubernetes.
func orchestrated(t *testing.T) (all []container) {
	type podContainer struct {
		Name, Image     string
		Args            []string
		Env             []struct{ Name string }
		SecurityContext struct {
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
	}
	type object struct {
		Metadata struct{ Name string }
		Spec     struct {
			Template struct {
				Spec struct {
					InitContainers []podContainer `yaml:"initContainers"`
					Containers     []podContainer
				}
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(read(t, "kubernetes.yaml") + "\n---\n" + read(t, "kubernetes-publisher.yaml")))
	for {
		var o object
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		pod := o.Spec.Template.Spec
		for _, p := range slices.Concat(pod.InitContainers, pod.Containers) {
			security := p.SecurityContext
			c := container{
				name: "kubernetes/" + o.Metadata.Name + "/" + p.Name, image: p.Image, commands: [][]string{p.Args},
				locked: security.ReadOnlyRootFilesystem && slices.Contains(security.Capabilities.Drop, "ALL") &&
					security.AllowPrivilegeEscalation != nil && !*security.AllowPrivilegeEscalation,
			}
			for _, variable := range p.Env {
				c.variables = append(c.variables, variable.Name)
			}
			all = append(all, c)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Prometheus refuses rules with unknown keys. That their metrics exist is
// tested beside the server that shows them.
func TestAlertsAreWhatPrometheusLoads(t *testing.T) {
	t.Parallel()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(read(t, "alerts.yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if group.Name == "" || rule.Alert == "" || rule.Expr == "" || rule.Annotations["summary"] == "" ||
				rule.Labels["severity"] != "critical" && rule.Labels["severity"] != "warning" {
				t.Errorf("%+v: must have an expression, a severity and a summary", rule)
			}
		}
	}
}

// Servers of several databases may have one job. A healthy database must not hide one that has no
// sequencer: servers of one database are combined by the feeds that they report, not by their job.
func TestStoppedSequencerIsNotHiddenByAnotherDatabase(t *testing.T) {
	t.Parallel()
	rule := regexp.MustCompile(`(?s)alert: EventfeedSequencerStopped\n +expr:(.*?) > 120\n`).FindStringSubmatch(read(t, "alerts.yaml"))
	if rule == nil {
		t.Fatal("there is no such rule")
	}
	got, want := strings.Join(strings.Fields(rule[1]), " "), "| time() - min by (job) (max by (job, feed) ("+
		" eventfeed_sequencer_last_success_timestamp_seconds"+
		" + on (job, instance) group_right () (0 * eventfeed_feed_position) ))"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What Kubernetes asks is what the server answers, on the private port.
func TestProbesAskTheListenerForOperations(t *testing.T) {
	t.Parallel()
	text := read(t, "kubernetes.yaml")
	port := regexp.MustCompile(`"--operations-listen=:(\d+)"`).FindStringSubmatch(text)
	if port == nil {
		t.Fatal("the server has no private listener")
	}
	seeder := regexp.MustCompile(`"--listen=:(\d+)"\]\n(?:.*\n)*? +- \{ name: seeder, containerPort: (\d+) \}`).FindStringSubmatch(text)
	if len(seeder) != 3 || seeder[1] != seeder[2] {
		t.Fatalf("the seeder's listener is %v", seeder)
	}
	for _, want := range []string{
		`prometheus.io/port: "` + seeder[1] + `"`, "{ path: /readyz, port: seeder }",
		"{ name: operations, containerPort: " + port[1] + " }", `prometheus.io/port: "` + port[1] + `"`,
		"{ path: /readyz, port: operations }", "{ path: /healthz, port: operations }",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("kubernetes.yaml has no %s", want)
		}
	}
}

// What Grafana imports. That the metrics exist is tested beside the programs that show
// them.
func TestDashboardIsWhatGrafanaImports(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		UID, Title    string
		SchemaVersion int
		Panels        []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID == "" || dashboard.Title == "" || dashboard.SchemaVersion == 0 || len(dashboard.Panels) == 0 {
		t.Errorf("%+v", dashboard)
	}
	ids := make(map[int]bool)
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
	}
}

// systemd knows all that the units set, and the programs know their command lines.
func TestUnitsAreWhatSystemdRuns(t *testing.T) {
	t.Parallel()
	analyze := need.Tool(t, "systemd")
	bin := build(t)
	for _, name := range []string{"feedserver", "seeder"} {
		unit := read(t, name+".service")
		line := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/(.*) --config /etc/eventfeed/` + name + `\.toml$`).FindStringSubmatch(unit)
		if line == nil {
			t.Fatalf("%s.service runs nothing", name)
		}
		words := strings.Fields(line[1])
		output(t, filepath.Join(bin, words[0]), append(words[1:], "--help")...)
		installed := filepath.Join(t.TempDir(), name+".service")
		if err := os.WriteFile(installed, []byte(strings.ReplaceAll(unit, "/usr/local/bin/", bin)), 0o600); err != nil {
			t.Fatal(err)
		}
		verify := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", installed)
		if said, err := verify.CombinedOutput(); err != nil || bytes.Contains(said, []byte(installed)) {
			t.Errorf("%s.service: %v\n%s", name, err, said)
		}
	}
}
