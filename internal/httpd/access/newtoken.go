package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// tokenPrefix lets people, and programs that look for secrets in the wrong
// places, know what they see.
const tokenPrefix = "eventfeed_"

// NewToken makes a token of 256 random bits, and the lines of the file that
// stand for it, which begin on a new one where the file does not end with one.
// The lists are of feeds, of beginnings of their names as in
// "shop-*", or "*".
func NewToken(name string, read, appendTo []string) (token, lines string, err error) {
	if !nameForm.MatchString(name) {
		return "", "", fmt.Errorf("the name %w", errName)
	}
	for _, feed := range slices.Concat(read, appendTo) {
		if !validPattern(feed) {
			return "", "", fmt.Errorf("%.80q: must be a feed, the beginning of some as in shop-*, or * for all", feed)
		}
	}
	random := make([]byte, sha256.Size)
	_, _ = rand.Read(random) // which never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	lines = fmt.Sprintf("\n[[token]]\nname   = %q\nsha256 = \"%x\"\n", name, sha256.Sum256([]byte(token)))
	return token, lines + line("read  ", read) + line("append", appendTo), nil
}

func line(key string, feeds []string) string {
	if len(feeds) == 0 {
		return ""
	}
	return key + ` = ["` + strings.Join(feeds, `", "`) + "\"]\n"
}
