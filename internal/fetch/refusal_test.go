package fetch

import "testing"

func TestReasonIsTheServersOwnInOneLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ contentType, body, want string }{
		{"text/plain; charset=utf-8", "no feed\nof that name\n", "no feed"},
		{"application/problem+json", `{"title":"Not Found","detail":"no feed orders"}`, "no feed orders"},
		{"application/problem+json; charset=utf-8", `{"title":"Not Found"}`, "Not Found"},
		{"application/problem+json", `{"detail":"colours \u001b[31m\nand lines"}`, "colours [31m"},
		{"application/problem+json", `{"detail":`, ""},
		{"application/problem+json", `[]`, ""},
		{"text/html", "<h1>no</h1>", ""},
		{"", "no", ""},
	} {
		if got := reason(test.contentType, []byte(test.body)); got != test.want {
			t.Errorf("%s %q: %q, want %q", test.contentType, test.body, got, test.want)
		}
	}
}
