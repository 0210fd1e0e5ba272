package seednats

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// request asks JetStream something, and decodes the answer.
func (c *connection) request(ctx context.Context, subject string, body []byte, answer any) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.alive, func() { cancel(context.Cause(c.alive)) })
	defer stop()
	limited, cancelLimit := context.WithTimeoutCause(ctx, c.answer, c.silent())
	defer cancelLimit()
	msg, err := c.nc.RequestWithContext(limited, subject, body)
	switch {
	case limited.Err() != nil:
		return context.Cause(limited)
	case err != nil:
		return err
	}
	var refused struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &refused); err != nil {
		return fmt.Errorf("an answer to %s that is not of JetStream: %w", subject, err)
	}
	if refused.Error != nil {
		return refused.Error
	}
	return json.Unmarshal(msg.Data, answer)
}

func (c *connection) silent() error {
	return fmt.Errorf("JetStream has not answered within %v; the stream may have no leader", c.answer)
}

// info returns the settings and the state of a stream, as its leader has them.
func (c *connection) info(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	info := new(jetstream.StreamInfo)
	return info, c.request(ctx, "$JS.API.STREAM.INFO."+stream, nil, info)
}

// stored is a message of a stream, without its data.
type stored struct {
	Subject  string `json:"subject"`
	Sequence uint64 `json:"seq"`
	Headers  []byte `json:"hdrs"`
}

// message returns the first message of a stream at a sequence or after it. It asks the leader: a direct
// get is answered by replicas that lag.
func (c *connection) message(ctx context.Context, stream string, sequence uint64) (m stored, header nats.Header, err error) {
	body := fmt.Appendf(nil, `{"seq":%d,"next_by_subj":">"}`, sequence)
	answer := struct {
		Message *stored `json:"message"`
	}{&m}
	if err := c.request(ctx, "$JS.API.STREAM.MSG.GET."+stream, body, &answer); err != nil {
		return m, nil, err
	}
	if len(m.Headers) > 0 {
		header, err = nats.DecodeHeadersMsg(m.Headers)
	}
	return m, header, err
}

// readToken begins the last token of the subject of an answer to a request for a message.
const readToken = "read-"

// answered is a message that was asked for.
type answered struct {
	header nats.Header // nil if the message is not there
	size   int         // of its data, in bytes, and not more
}

// messages returns the messages from one sequence to another.
func (c *connection) messages(ctx context.Context, stream string, from, to uint64) ([]answered, error) {
	all := make([]answered, to-from+1)
	for sequence := from; sequence <= to; sequence++ {
		body := fmt.Appendf(nil, `{"seq":%d}`, sequence)
		if err := c.nc.PublishRequest("$JS.API.STREAM.MSG.GET."+stream, c.prefix+readToken+strconv.FormatUint(sequence, 10), body); err != nil {
			return nil, err
		}
	}
	timer := time.NewTimer(c.answer)
	defer timer.Stop()
	for left := len(all); left > 0; {
		timer.Reset(c.answer)
		select {
		case msg := <-c.acks:
			sequence, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, c.prefix+readToken), 10, 64)
			if err != nil || sequence < from || sequence > to {
				continue // a late answer to a message, by another subscriber than the stream
			}
			left--
			if all[sequence-from], err = readAnswer(msg); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.alive.Done():
			return nil, context.Cause(c.alive)
		case <-timer.C:
			return nil, c.silent()
		}
	}
	return all, nil
}

// readAnswer reads an answer to a request for a message.
func readAnswer(msg *nats.Msg) (a answered, err error) {
	if msg.Header.Get("Status") == "503" {
		return a, nats.ErrNoResponders
	}
	var answer struct {
		Message *stored             `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return a, err
	}
	switch {
	case isMissing(answer.Error):
		return a, nil
	case answer.Error != nil:
		return a, answer.Error
	case answer.Message == nil:
		return a, fmt.Errorf("an answer without a message: %.100s", msg.Data)
	}
	// Headers and data are in base64, among names and numbers.
	const others = 400
	a.size = max(0, (len(msg.Data)-others-len(answer.Message.Subject))*3/4-len(answer.Message.Headers))
	a.header = nats.Header{}
	if len(answer.Message.Headers) > 0 {
		a.header, err = nats.DecodeHeadersMsg(answer.Message.Headers)
	}
	return a, err
}
