package server

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
)

// feedQuery is what the query of a feed's HTML page asks for. Absent parameters are empty or 0. Only one
// of find, filter, page, position and time is there; before goes with the filter, or alone.
type feedQuery struct {
	find                   string
	filter                 store.Filter
	before, page, position int64
	time                   string
}

// maxQueryText is the maximum size of a text in a query, in bytes: an attribute, and a time.
const maxQueryText = event.MaxAttribute + 100

func feedQueryOf(r *http.Request) (q feedQuery, err error) {
	var errs [7]error
	q.find, errs[0] = textParameter(r, "q")
	q.filter.Type, errs[1] = textParameter(r, "type")
	q.filter.Subject, errs[2] = textParameter(r, "subject")
	q.time, errs[3] = textParameter(r, "time")
	q.before, errs[4] = numberParameter(r, "before")
	q.page, errs[5] = numberParameter(r, "page")
	q.position, errs[6] = numberParameter(r, "position")
	for _, err := range errs {
		if err != nil {
			return q, err
		}
	}
	named := 0
	for _, is := range []bool{q.find != "", q.isFilter(), q.time != "", q.page > 0, q.position > 0} {
		if is {
			named++
		}
	}
	if named > 1 || q.before > 0 && named == 1 && !q.isFilter() {
		return q, refuse(http.StatusBadRequest, "fill in one of page, position and time, or a filter, or the search field; type, subject and before go together")
	}
	return q, nil
}

func (q feedQuery) isFilter() bool { return q.filter != store.Filter{} }

// parameter returns the first value of a parameter that is not empty.
func parameter(r *http.Request, name string) string {
	for _, value := range r.URL.Query()[name] {
		if value != "" {
			return value
		}
	}
	return ""
}

// textParameter returns a text, which a database can compare with others.
func textParameter(r *http.Request, name string) (string, error) {
	text := parameter(r, name)
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", refuse(http.StatusBadRequest, name+" is "+quote(text)+", which is not text in UTF-8")
	}
	if len(text) > maxQueryText {
		return "", refuse(http.StatusBadRequest, name+" has "+strconv.Itoa(len(text))+" bytes; nothing in a feed that can be found by it has more than "+strconv.Itoa(event.MaxAttribute))
	}
	return text, nil
}

// numberParameter returns a number from 1 on; 0 if the parameter is absent. A number that is too large
// counts as the largest one.
func numberParameter(r *http.Request, name string) (int64, error) {
	text := parameter(r, name)
	if text == "" {
		return 0, nil
	}
	if n, is := numberOf(text); is {
		return n, nil
	}
	return 0, refuse(http.StatusBadRequest, name+" is "+quote(text)+", which is not one of the numbers 1, 2, 3 …")
}

// numberOf reads a number from 1 on as people write it: 88123 or 88,123.
func numberOf(text string) (int64, bool) {
	text = strings.ReplaceAll(strings.TrimSpace(text), ",", "")
	if strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxInt64, true
	}
	return n, err == nil && n > 0
}
