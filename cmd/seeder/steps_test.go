package main

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
)

func TestRunIsStartedAgainWithItsSettingsAndNoSecret(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ given, line, secret string }{
		"the least": {"--from=http://a.example/feeds/f --into=sqlite:a.db", "seeder run --from http://a.example/feeds/f --into sqlite:a.db", ""},
		"all kinds of flags": {
			"--listen=127.0.0.1:9100 --follow --into=postgres://shipping@db/shipping --projection=my.sql --schema=s --on-error=park --patience=5m --max-lag=30s --strict=false --from=http://a.example/feeds/f --from=http://b.example/feeds/g --bearer-file=/run/token --consumer=it's",
			`seeder run --from http://a.example/feeds/f --from http://b.example/feeds/g --into postgres://shipping@db/shipping --bearer-file /run/token --consumer 'it'\''s' --follow --listen 127.0.0.1:9100 --max-lag 30s --on-error park --patience 5m0s --projection my.sql --schema s --strict=false`, "",
		},
		"secrets": {
			"--from=http://u:hush@a.example/feeds/f --from=http://b.example/feeds/g?token=hush --into=postgres://u:hush@db/x --header=X-Api-Key:hush",
			"seeder run --from http://u@a.example/feeds/f --from http://b.example/feeds/g --into postgres://u@db/x",
			"the password of --from, the password of --into, --header",
		},
		"a program, whose arguments may be secret": {"--from=http://a.example/feeds/f --into=sqlite:a.db --exec=mail-hush --exec-env=MAIL,SMTP", "seeder run --from http://a.example/feeds/f --into sqlite:a.db --exec-env MAIL,SMTP", "--exec"},
		"what a run accepts once":                  {"--from=http://a.example/feeds/f --into=sqlite:a.db --accept-projection --add-feed", "seeder run --from http://a.example/feeds/f --into sqlite:a.db", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := runCommand()
			must.OK(t, command.ParseFlags(strings.Fields(test.given)))
			line, secret := againLine(command)
			if line != test.line || strings.Join(secret, ", ") != test.secret || strings.Contains(line, "hush") {
				t.Errorf("got  %s\nwant %s\nwithout %q, want %q", line, test.line, secret, test.secret)
			}
		})
	}
}

func TestANewCopyHasTheAccessOfTheRun(t *testing.T) {
	t.Parallel()
	command := runCommand()
	must.OK(t, command.ParseFlags([]string{"--from=http://a.example/feeds/f", "--into=sqlite:a.db", "--follow", "--bearer-file=/run/to ken", "--header=X-Api-Key: hush", "--ca=ca.pem", "--max-document=9", "--projection=shop.sql"}))
	line, secret := accessLine(command)
	if line != " --bearer-file '/run/to ken' --ca ca.pem --max-document 9" || strings.Join(secret, ", ") != "--header" {
		t.Errorf("%q without %q", line, secret)
	}
	sinks := &sinkFlags{projection: "shop.sql", access: line}
	const want = "seeder run --from http://a.example/feeds/f --into sqlite:a-2.db --projection shop.sql --bearer-file '/run/to ken' --ca ca.pem --max-document 9"
	if got := rebuildLine(seed.Config{From: []string{"http://a.example/feeds/f"}, Consumer: seed.DefaultConsumer}, "sqlite:a.db", sinks); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAChangedProjectionIsAcceptedByACommandOfItsOwn(t *testing.T) {
	t.Parallel()
	for projection, want := range map[string]string{"shop.sql": "seeder retry --accept-projection", "": ""} {
		p := &runPage{sinks: &sinkFlags{projection: projection}, into: "sqlite:a.db"}
		if step := p.steps("seeder retry")[2]; step.OrCommand != want || (step.Or == "") != (want == "") || !strings.Contains(step.Or, projection) {
			t.Errorf("projection %q: %+v", projection, step)
		}
	}
}

func TestStepsSayWhereToFixTheCause(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sinks *sinkFlags
		cause string
	}{
		"projection": {&sinkFlags{projection: "shop.sql"}, "in the projection shop.sql"},
		"inbox":      {&sinkFlags{}, "a trigger on its table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &runPage{sinks: test.sinks, into: "postgres://u:hush@db/x", process: html.SeederProcess{ID: 4711, Host: "shop-3"}, again: "seeder run", secret: []string{"--header"}}
			steps := p.steps("seeder retry")
			var commands []string
			for _, step := range steps {
				commands = append(commands, step.Command)
			}
			if got := strings.Join(commands, "|"); got != "|kill 4711|seeder retry|seeder run" {
				t.Errorf("the commands are %s", got)
			}
			for i, want := range []string{test.cause, "process 4711 on host shop-3", "the password of --into", "secret: --header"} {
				if text := steps[i].Do + steps[i].Note; !strings.Contains(text, want) {
					t.Errorf("step %d lacks %q: %s", i+1, want, text)
				}
			}
		})
	}
}
