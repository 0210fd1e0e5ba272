package seednats

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/seed/broker"
)

// minMajor and minMinor are the lowest version of a server that the tests run with.
const minMajor, minMinor = 2, 9

// refusal is a setting under which a stream cannot hold a publication.
type refusal struct {
	is    func(*jetstream.StreamConfig) bool
	why   string
	flags string // of nats stream edit; "" if it cannot be changed
}

// A stream that discards old messages keeps at least so much: what can be in flight, twice, and an event
// of the largest size.
const (
	minMessages = 2 * windowMessages
	minBytes    = 4 * windowBytes
)

// refusals are the settings under which the last message vanishes, so that the end of the publication is
// lost, or the messages before it, so that a gap is not found, or under which a message is acknowledged and
// not stored.
var refusals = []refusal{
	{func(c *jetstream.StreamConfig) bool { return c.Sealed }, "it is sealed and takes no messages", ""},
	{func(c *jetstream.StreamConfig) bool { return c.Mirror != nil }, "it is a mirror of another stream, and takes no messages itself", ""},
	{func(c *jetstream.StreamConfig) bool { return len(c.Sources) > 0 }, "it has sources: messages of other streams would get between the feed's", ""},
	{func(c *jetstream.StreamConfig) bool { return c.Retention == jetstream.WorkQueuePolicy }, "it is a work queue: messages that were consumed are deleted, the last one too", ""},
	{func(c *jetstream.StreamConfig) bool { return c.Retention != jetstream.LimitsPolicy }, "its retention is not limits: messages that were consumed are deleted, the last one too", "--retention=limits"},
	{func(c *jetstream.StreamConfig) bool { return c.Storage == jetstream.MemoryStorage }, "its storage is memory: a restart of the server loses it", ""},
	{func(c *jetstream.StreamConfig) bool { return c.AllowMsgCounter }, "it counts (allow_msg_counter), and takes no events", ""},
	{func(c *jetstream.StreamConfig) bool { return c.NoAck }, "it acknowledges nothing (no_ack)", "--ack"},
	{func(c *jetstream.StreamConfig) bool { return c.MaxAge > 0 }, "it deletes messages by their age (max_age), the last one too; bound it by max_bytes or max_msgs, and put an age limit on a second stream that sources this one", "--max-age=0s"},
	{func(c *jetstream.StreamConfig) bool { return c.MaxMsgsPerSubject > 0 && !c.DiscardNewPerSubject }, "it discards old messages of each subject (max_msgs_per_subject), so that a gap could not be found", "--max-msgs-per-subject=-1"},
	{func(c *jetstream.StreamConfig) bool {
		return c.Discard == jetstream.DiscardOld && c.MaxMsgs > 0 && c.MaxMsgs < minMessages
	}, fmt.Sprintf("it keeps fewer messages than %d (max_msgs), so that a gap could not be found", minMessages), fmt.Sprintf("--max-msgs=%d", minMessages)},
	{func(c *jetstream.StreamConfig) bool {
		return c.Discard == jetstream.DiscardOld && c.MaxBytes > 0 && c.MaxBytes < minBytes
	}, fmt.Sprintf("it keeps fewer bytes than %d (max_bytes), so that a gap could not be found", minBytes), fmt.Sprintf("--max-bytes=%d", minBytes)},
}

// checkSettings returns an OperatorError if the stream's settings lose the end of the publication.
func (l *log) checkSettings() error {
	for _, r := range refusals {
		if !r.is(&l.settings) {
			continue
		}
		next := "publish to a stream of its own, created with: " + l.create("NAME")
		if r.flags != "" {
			next = fmt.Sprintf("change it with: nats stream edit %s %s", l.to.stream, r.flags)
		}
		return &broker.OperatorError{Usage: true, Err: fmt.Errorf("%s cannot hold a publication: %s", l.to.target(), r.why), Next: next}
	}
	return nil
}

// create returns the command that creates a stream for the publication.
func (l *log) create(name string) string {
	return fmt.Sprintf("nats stream add %s --subjects='%s' --storage=file --retention=limits --discard=old --max-age=0s --deny-delete --deny-purge --defaults",
		name, l.wanted())
}

// notTaken reports a subject that the stream does not take.
func (l *log) notTaken(m *broker.Message, subject string) error {
	subjects := append(append([]string(nil), l.settings.Subjects...), l.wanted())
	return &broker.OperatorError{
		Usage: true,
		Err:   fmt.Errorf("%s has the subject %s, and %s takes only %s", m, subject, l.to.target(), strings.Join(l.settings.Subjects, ", ")),
		Next:  fmt.Sprintf("let it take the subject with: nats stream edit %s --subjects='%s', or choose another --route", l.to.stream, strings.Join(subjects, ",")),
	}
}
