package seed_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
)

// The inbox's owner may add keys, and triggers that fill tables with keys.
func TestViolationOfAnotherKeyIsNotTakenForAnEventThatIsThere(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 5)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		if strings.HasSuffix(t.Name(), "postgres") {
			again().exec(t, "CREATE UNIQUE INDEX one_a_subject ON INBOX (subject)")
		} else {
			again().exec(t, `
				CREATE TABLE subjects (one_a_subject TEXT PRIMARY KEY);
				INSERT INTO subjects SELECT subject FROM INBOX;
				CREATE TRIGGER subjects AFTER INSERT ON INBOX BEGIN INSERT INTO subjects VALUES (NEW.subject); END`)
		}
		s.add(t, 6, 20) // of subjects that are there
		_, err = run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		if err == nil || errors.Is(err, checkpoint.ErrThere) || !strings.Contains(err.Error(), "one_a_subject") {
			t.Errorf("run: %v; want the violation of one_a_subject as it is", err)
		}
	})
}
