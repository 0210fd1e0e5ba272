package cli

import "testing"

func TestRedactShowsAllButPasswords(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"sqlite:a b@c.db":                               "sqlite:a b@c.db",
		"sqlite:a.db?_pragma=key(p)":                    "sqlite:a.db?xxxxx",
		"postgres://u@h:5432/db":                        "postgres://u@h:5432/db",
		"postgres://u:p@h:5432/db":                      "postgres://u:xxxxx@h:5432/db",
		"postgres://:p@h/db":                            "postgres://:xxxxx@h/db",
		"postgres://u:p@h:1,i:2/db?sslmode=disable":     "postgres://u:xxxxx@h:1,i:2/db?sslmode=disable",
		"postgres://u@[fe80::1]:1,[::2]/db":             "postgres://u@[fe80::1]:1,[::2]/db",
		"postgres:///db?host=/run&password=p&user=u":    "postgres:///db?host=/run&xxxxx=xxxxx&user=u",
		"postgres://u@h?pool_max_conns=4&Password=p":    "postgres://u@h?pool_max_conns=4&xxxxx=xxxxx",
		"http://u:p@h/feeds/x?token=t":                  "http://u:xxxxx@h/feeds/x?xxxxx=xxxxx",
		"http://127.0.0.1:8080/feeds/x":                 "http://127.0.0.1:8080/feeds/x",
		"postgres://u:pass":                             "postgres://u:xxxxx",
		"postgres://u@h:1,i:pass/db":                    "postgres://u@h:1,i:xxxxx/db",
		"postgres://u:p@ss@h/db":                        "postgres://xxxxx",
		"postgres://u:1/pass@h/db":                      "postgres://xxxxx",
		"postgres://u:1?pass@h/db":                      "postgres://xxxxx",
		"postgres://u:1#pass":                           "postgres://xxxxx",
		"host=h password=p":                             "(not a URL)",
		"password p://h":                                "(not a URL)",
		"":                                              "(not a URL)",
		"s3://b/p?endpoint=http://h:9000&region=r":      "s3://b/p?endpoint=http://h:9000&region=r",
		"s3://b?endpoint=http://k:p@h&region=r":         "s3://xxxxx",
		"s3://b?endpoint=p&secret=p":                    "s3://b?xxxxx=xxxxx&xxxxx=xxxxx",
		"postgres://u:p@h/db?application_name=password": "postgres://u:xxxxx@h/db?application_name=password",
	} {
		if got := Redact(raw); got != want {
			t.Errorf("Redact(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestHoldsPasswordOnlyWhereOneIs(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		"postgres://u:p@h/db":            true,
		"postgres://u@h/db?password=p":   true,
		"postgres://u@h/db?sslpassword=": false,
		"host=h password=p":              true,
		"postgres://u:p@h:1,i:2/db":      true,
		"postgres://u:p/q@h/db":          true,
		"postgres://u:%zz@h/db":          true,
		"http://u:p@h/":                  true,
		"postgres://u@h:5432/db":         false,
		"postgres://u:@h/db":             false,
		"http://127.0.0.1:8080/feeds/x":  false,
		"sqlite:a:b@c.db":                false,
		"orders":                         false,
		"":                               false,
	} {
		if got := holdsPassword(raw); got != want {
			t.Errorf("holdsPassword(%q) = %v, want %v", raw, got, want)
		}
	}
}

func TestScrubLeavesTextWithoutPasswordsAsItIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres://u:a b@h/db: no":                        "postgres://u:xxxxx@h/db: no",
		`cannot parse "http://u:p@h/x?token=t&y=1"`:        `cannot parse "http://u:xxxxx@h/x?token=xxxxx&y=1"`,
		"unknown command \"password='a b' host=h\"":        `unknown command "password=xxxxx host=h"`,
		`password authentication failed for user "u"`:      `password authentication failed for user "u"`,
		"http://127.0.0.1:8080/feeds/x: server answered 5": "http://127.0.0.1:8080/feeds/x: server answered 5",
		"postgres://u@h:1/db":                              "postgres://u@h:1/db",
	} {
		if got := scrub(text); got != want {
			t.Errorf("scrub(%q) = %q, want %q", text, got, want)
		}
	}
}
