package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/bom"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// MaxRequestEvents is how many events one request may bring: all of them go into
// one transaction.
const MaxRequestEvents = 10_000

// Accepted are the media types of a request, as a Content-Type may name them,
// besides binary mode, where it is that of the data.
const Accepted = structuredType + ", " + batchType + ", " + linesType

const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json"
	linesType      = "application/x-ndjson"
	linesTypeToo   = "application/ndjson" // not registered either, and as common
	sentAgain      = "request was sent again"
)

// Reason is why a request cannot be taken. Each has an HTTP status of its own.
type Reason int

// Reasons, with their statuses (RFC 9110, section 15.5).
const (
	UnknownType Reason = iota + 1 // 415: the media type, its charset or the content coding is none that is accepted
	Unreadable                    // 400: the body is not what its media type says, or not all of it came
	Refused                       // 422: readable, but an event in it that cannot be appended
	TooLarge                      // 413: the body or an event has too many bytes, or there are too many events
)

// RequestError says why a request cannot be taken. It is all that [ParseRequest]
// returns as error.
type RequestError struct {
	Reason Reason
	Number int    // of the event in the request, 1, 2, 3 …; 0 if it is about no event in particular
	ID     string // of that event, if it has one that can be read
	Err    error
}

func (e *RequestError) Error() string {
	if e.Number == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("number %d of the request: %v", e.Number, e.Err)
}

func (e *RequestError) Unwrap() error { return e.Err }

// maxMemory is how many bytes of memory the events of a request may take, about. What
// takes a few bytes in JSON, an event or an extension, takes some hundred here.
const maxMemory = 32 << 20

// memoryOf is about how many bytes of memory an event takes.
func memoryOf(e *event.Event) int {
	const perEvent, perExtension = 400, 150
	return cloudevents.Size(e) + perEvent + perExtension*len(e.Extensions)
}

// ParseRequest returns the events that an HTTP request brings (CloudEvents 1.0.2,
// HTTP binding): one in structured or binary mode, any number up to
// [MaxRequestEvents] in batched mode or as JSON one a line. They are in normal
// form, with id and source. An error, always a [*RequestError], is about the
// first event that cannot be taken. read returns the body, once the header says that
// it can be understood; it bounds the body, best with [http.MaxBytesReader], and has
// undone any content coding that it knows.
func ParseRequest(header http.Header, read func() ([]byte, error)) ([]event.Event, error) {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, &RequestError{Reason: UnknownType, Err: fmt.Errorf("content coding %.80q is not supported", coding)}
	}
	contentType, err := contentType(header)
	if err != nil {
		return nil, err
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	isCloudEvents := strings.HasPrefix(media, "application/cloudevents")
	if !isCloudEvents && isBinary(header) {
		return parseBinary(header, contentType, read)
	}
	parse := map[string]func(*request, []byte) error{
		structuredType: (*request).readOne, batchType: (*request).readBatch,
		linesType: (*request).readLines, linesTypeToo: (*request).readLines,
	}[media]
	if parse == nil {
		return nil, unknownType(media)
	}
	if err := checkCharset(contentType); err != nil {
		return nil, err
	}
	body, err := read()
	if err != nil {
		return nil, unreadable(err)
	}
	var r request
	if err := parse(&r, bom.Trim(body)); err != nil {
		return nil, err
	}
	return r.events, nil
}

func contentType(header http.Header) (string, error) {
	values := header.Values("Content-Type")
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return strings.TrimSpace(values[0]), nil
	default:
		return "", &RequestError{Reason: Unreadable, Err: errors.New("has more than one Content-Type")}
	}
}

func unknownType(media string) error {
	err := fmt.Errorf("media type %.80q is not supported; send %s, or any type with the headers ce-specversion, ce-id, ce-source and ce-type",
		media, strings.ReplaceAll(Accepted, ", "+linesType, " or "+linesType))
	return &RequestError{Reason: UnknownType, Err: err}
}

// checkCharset: JSON is UTF-8 (RFC 8259, section 8.1), whatever is said here.
func checkCharset(contentType string) error {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return &RequestError{Reason: UnknownType, Err: fmt.Errorf("media type %.80q: %w", contentType, err)}
	}
	switch charset := parameters["charset"]; strings.ToLower(charset) {
	case "", "utf-8", "us-ascii":
		return nil
	default:
		return &RequestError{Reason: UnknownType, Err: fmt.Errorf("charset %.80q is not supported, JSON is utf-8", charset)}
	}
}

// request is what has been read.
type request struct {
	events []event.Event
	memory int // that they take
}

// readOne reads structured mode (section 3.2).
func (r *request) readOne(body []byte) error { return r.add(body) }

// readBatch reads batched mode (section 3.3), and goes no further than it must:
// the array may have any number of elements.
func (r *request) readBatch(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	broken := func(err error) error {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return unreadable(fmt.Errorf("not a JSON array of events: %w, near byte %d", err, decoder.InputOffset()))
	}
	first, err := decoder.Token()
	if err != nil {
		return broken(err)
	}
	if first != json.Delim('[') {
		return broken(errors.New("no [ at its beginning"))
	}
	for decoder.More() {
		var text json.RawMessage
		if err := decoder.Decode(&text); err != nil {
			return broken(err)
		}
		if err := r.add(text); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return broken(err)
	}
	switch _, err := decoder.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		err = errors.New("something after its end")
		fallthrough
	default:
		return broken(err)
	}
}

// readLines reads JSON one a line; empty lines count for nothing.
func (r *request) readLines(body []byte) error {
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if len(line) > maxLine {
			return unreadable(errLineTooLong())
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := r.add(line); err != nil {
			return err
		}
	}
	return nil
}

// add parses an event.
func (r *request) add(text []byte) error {
	number := len(r.events) + 1
	if number > MaxRequestEvents {
		return &RequestError{Reason: TooLarge, Err: fmt.Errorf("has more than %d events; send them in several requests", MaxRequestEvents)}
	}
	e, err := parse(text, sentAgain)
	if err == nil {
		r.memory += memoryOf(&e)
		if r.memory > maxMemory {
			return &RequestError{Reason: TooLarge, Err: fmt.Errorf("its events take more than %d bytes of memory; send them in several requests", maxMemory)}
		}
		r.events = append(r.events, e)
		return nil
	}
	refused := refuse(err)
	refused.Number = number
	if !errors.Is(err, event.ErrTooMany) {
		refused.ID = idOf(text)
	}
	if !utf8.Valid(text) || !json.Valid(text) {
		refused.Reason = Unreadable
	}
	return refused
}

// refuse says of an event why it cannot be taken.
func refuse(err error) *RequestError {
	if errors.Is(err, event.ErrTooLarge) {
		return &RequestError{Reason: TooLarge, Err: err}
	}
	return &RequestError{Reason: Refused, Err: err}
}

// unreadable says of a body why no more can be read of it.
func unreadable(err error) error {
	if limit, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &RequestError{Reason: TooLarge, Err: fmt.Errorf("the body has more than %d bytes: %w", limit.Limit, err)}
	}
	if errors.Is(err, event.ErrTooLarge) {
		return &RequestError{Reason: TooLarge, Err: err}
	}
	return &RequestError{Reason: Unreadable, Err: err}
}

// idOf is the id of an event that cannot be taken, as far as there is one.
func idOf(text []byte) (id string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || json.Unmarshal(members["id"], &id) != nil {
		return ""
	}
	return id
}
