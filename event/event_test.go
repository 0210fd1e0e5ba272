package event_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
)

func TestNewJSONSaysWhichDataIsNoJSON(t *testing.T) {
	t.Parallel()
	_, err := event.NewJSON("OrderPaid", "o-1", func() {})
	if _, is := errors.AsType[*json.UnsupportedTypeError](err); !is || !strings.Contains(err.Error(), "OrderPaid") {
		t.Error(err)
	}
}
