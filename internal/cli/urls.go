package cli

import "strings"

// URLs is a flag's value of several URLs: the flag can be given again and
// again, and one value can hold several, with white space between them, as an
// environment variable must.
type URLs []string

// Set adds the URLs of one value.
func (u *URLs) Set(value string) error {
	*u = append(*u, strings.Fields(value)...)
	return nil
}

func (u *URLs) String() string { return strings.Join(*u, " ") }

// Type names the value in messages.
func (u *URLs) Type() string { return "URLs" }

func (u *URLs) redact() string {
	each := make([]string, len(*u))
	for i, url := range *u {
		each[i] = Redact(url)
	}
	return strings.Join(each, " ")
}
