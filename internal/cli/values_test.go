package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// TestAnInvalidValueIsRefusedWithWhatIsExpected: for each type of flag, without the
// names of Go's functions.
func TestAnInvalidValueIsRefusedWithWhatIsExpected(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.Bool("bool", false, "")
	flags.Duration("duration", time.Second, "")
	flags.Float64("float64", 0, "")
	flags.Int("int", 0, "")
	flags.Int64("int64", 0, "")
	flags.Uint("uint", 0, "")
	flags.Uint64("uint64", 0, "")
	flags.VisitAll(func(f *pflag.Flag) {
		for _, value := range []string{"abc", "1e9999999", "99999999999999999999999"} {
			err := valueError(flags.Set(f.Name, value))
			if f.Name == "float64" && value == "99999999999999999999999" {
				continue
			}
			if err == nil || !strings.Contains(err.Error(), `invalid argument "`+value+`" for "--`+f.Name+`" flag: expected `) || strings.ContainsAny(err.Error(), "()") || strings.Contains(err.Error(), "strconv") || strings.Contains(err.Error(), "time:") {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
	})
}
