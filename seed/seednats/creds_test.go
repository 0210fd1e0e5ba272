//go:build unix

package seednats

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testnats"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// A server with an operator knows no users: it believes JWTs that the accounts have signed.
func TestACredentialsFileLogsIn(t *testing.T) {
	t.Parallel()
	operator, account, system := newKey(t, nkeys.CreateOperator), newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateAccount)
	operatorJWT := sign(t, operator, operator, map[string]any{"type": "operator", "version": 2})
	limits := map[string]any{
		"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
		"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
	}
	accountJWT := sign(t, operator, account, map[string]any{"type": "account", "version": 2, "limits": limits})
	systemJWT := sign(t, operator, system, map[string]any{"type": "account", "version": 2})
	node := testnats.Own(t, fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %[4]s: %s }\nsystem_account: %[4]s",
		operatorJWT, public(t, account), accountJWT, public(t, system), systemJWT))
	file := writeCreds(t, account)
	connection, err := nats.Connect("nats://"+node.Address(), nats.UserCredentials(file))
	must.OK(t, err)
	t.Cleanup(connection.Close)
	client, err := jetstream.New(connection)
	must.OK(t, err)
	testnats.CreateStream(t, client, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})

	publish(t, newLogOf(t, Stream{URL: "nats://" + node.Address() + "/ORDERS", CredsFile: file}), 3)
	for name, file := range map[string]string{"of another account": writeCreds(t, newKey(t, nkeys.CreateAccount)), "none": ""} {
		l := newLogOf(t, Stream{URL: "nats://" + node.Address() + "/ORDERS", CredsFile: file})
		t.Log(name)
		wantOperator(t, l.Open(t.Context(), logtest.Feed), false, "the server refused the login", "--broker-creds")
	}
	text := filepath.Join(t.TempDir(), "text.creds")
	must.OK(t, os.WriteFile(text, []byte("text"), 0o600))
	wantOperator(t, newLogOf(t, Stream{URL: "nats://" + node.Address() + "/ORDERS", CredsFile: text}).Open(t.Context(), logtest.Feed), true, "credentials file", "--broker-creds")
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	key, err := create()
	must.OK(t, err)
	return key
}

func public(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	text, err := key.PublicKey()
	must.OK(t, err)
	return text
}

// sign returns a JWT about a key.
func sign(t *testing.T, issuer, subject nkeys.KeyPair, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"jti": "id", "iat": time.Now().Unix(), "iss": public(t, issuer), "sub": public(t, subject), "name": "test", "nats": claims,
	})
	must.OK(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + encode(body)
	signature, err := issuer.Sign([]byte(text))
	must.OK(t, err)
	return text + "." + encode(signature)
}

// writeCreds writes the credentials of a user of an account, as nsc does.
func writeCreds(t *testing.T, account nkeys.KeyPair) (path string) {
	t.Helper()
	user := newKey(t, nkeys.CreateUser)
	jwt := sign(t, account, user, map[string]any{"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
	seed, err := user.Seed()
	must.OK(t, err)
	path = filepath.Join(t.TempDir(), "user.creds")
	const form = "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n"
	must.OK(t, os.WriteFile(path, fmt.Appendf(nil, form, jwt, seed), 0o600))
	return path
}
