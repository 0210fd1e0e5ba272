package cli

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// hidden stands for what is not shown.
const hidden = "xxxxx"

// Redact returns a database or feed URL as it may be shown: without passwords,
// and without any part that could be one in the wrong place, such as the rest
// of a password that has an @ in it. Of what is no such URL it returns nothing.
func Redact(raw string) string {
	if strings.HasPrefix(raw, "sqlite:") {
		path, options, _ := strings.Cut(raw, "?")
		if options != "" { // which are refused; one may be a key
			path += "?" + hidden
		}
		return path
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !schemeForm.MatchString(scheme) {
		return "(not a URL)"
	}
	if misplaced(rest) {
		return scheme + "://" + hidden
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	authority, path, hasPath := strings.Cut(rest, "/")
	shown := scheme + "://" + redactAuthority(authority)
	if hasPath {
		shown += "/" + path
	}
	if hasQuery {
		shown += "?" + redactQuery(query)
	}
	return shown
}

// Typed returns what was typed where a URL belongs, as it may be shown in the error
// that refuses it: a URL as Redact does, and other text unless it may hold a password.
func Typed(raw string) string {
	switch shown := Redact(raw); {
	case strings.Contains(raw, "://"), strings.HasPrefix(raw, "sqlite:"):
		return shown
	case strings.Contains(raw, "@"):
		return hidden
	default:
		return scrub(raw)
	}
}

var schemeForm = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*$`)

// misplaced reports whether what follows the scheme has an @, or a #, where a
// URL of ours has none. It then belongs to a password that was not encoded,
// and nobody can say where that ends.
func misplaced(rest string) bool {
	if strings.Count(rest, "@") > 1 || strings.Contains(rest, "#") {
		return true
	}
	end := strings.IndexAny(rest, "/?")
	return end >= 0 && strings.Contains(rest[end:], "@")
}

// redactAuthority shows the user and the hosts. A port that is no number may
// be a password.
func redactAuthority(authority string) string {
	user, hosts, hasUser := strings.Cut(authority, "@")
	if !hasUser {
		user, hosts = "", authority
	}
	name, _, hasPassword := strings.Cut(user, ":")
	if hasPassword {
		user = name + ":" + hidden
	}
	if hasUser {
		user += "@"
	}
	each := strings.Split(hosts, ",")
	for i, host := range each {
		each[i] = redactPort(host)
	}
	return user + strings.Join(each, ",")
}

// redactPort hides a port that is no number.
func redactPort(host string) string {
	start := strings.LastIndexByte(host, ']') + 1 // behind an IPv6 address
	name, port, ok := strings.Cut(host[start:], ":")
	if !ok || strings.Trim(port, "0123456789") == "" {
		return host
	}
	return host[:start] + name + ":" + hidden
}

// shownParameters are those of a URL of a database or a bucket that hold no secret and that
// one wants to see.
var shownParameters = []string{
	"application_name", "connect_timeout", "dbname", "host", "hostaddr", "port", "region", "search_path", "sslcert", "sslkey",
	"sslmode", "sslrootcert", "target_session_attrs", "user",
}

func redactQuery(query string) string {
	parameters := strings.Split(query, "&")
	for i, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		if name == "endpoint" && Redact(value) == value { // of a bucket, and a URL itself
			continue
		}
		if !slices.Contains(shownParameters, name) && !strings.HasPrefix(name, "pool_") {
			parameters[i] = hidden + "=" + hidden
		}
	}
	return strings.Join(parameters, "&")
}

// Passwords as they stand in text: in a URL's user information, as a header
// field, and as a parameter.
var (
	userPassword      = regexp.MustCompile(`(://[^:@/\s]*:).+@`)                                      // to the last @: it may hold any character
	fieldPassword     = regexp.MustCompile(`(?i)\b(authorization: *(?:bearer|basic) +)[^\s"',;]{6,}`) // TOKEN in a text is none
	parameterPassword = regexp.MustCompile("(?i)((?:password|passwd|secret|token) *= *)('[^']*'?|[^&\\s\"'`]+)")
)

// scrub takes the passwords out of text that may quote anything, such as an
// argument in the wrong place.
func scrub(text string) string {
	text = fieldPassword.ReplaceAllString(text, "${1}"+hidden)
	text = parameterPassword.ReplaceAllString(text, "${1}"+hidden) // first: there may be an @ in it
	return userPassword.ReplaceAllString(text, "${1}"+hidden+"@")
}

// holdsPassword reports whether a setting or an argument has a password in it.
func holdsPassword(raw string) bool {
	_, rest, ok := strings.Cut(raw, "://")
	if ok && misplaced(rest) || parameterPassword.MatchString(raw) {
		return true
	}
	u, err := url.Parse(raw)
	if err != nil {
		return userPassword.MatchString(raw)
	}
	password, _ := u.User.Password()
	return password != ""
}
