//go:build unix

package testkafka

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// The listeners, by the ports that they have after the first one.
const (
	plain = iota
	tls
	sasl
	saslTLS
	proxied
	controller
	listeners
)

// configuration keeps the broker small: one partition for each topic of its own, and few threads.
const configuration = `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[6]s
listeners=PLAIN://%[1]s,TLS://%[2]s,SASL://%[3]s,SASLTLS://%[4]s,PROXIED://%[5]s,CONTROLLER://%[6]s
advertised.listeners=PLAIN://%[1]s,TLS://%[2]s,SASL://%[3]s,SASLTLS://%[4]s,PROXIED://%[7]s
listener.security.protocol.map=PLAIN:PLAINTEXT,TLS:SSL,SASL:SASL_PLAINTEXT,SASLTLS:SASL_SSL,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
log.dirs=data
# A node that was killed is let in again when its session has ended.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=server.pem
ssl.truststore.type=PEM
ssl.truststore.location=authority.pem
ssl.client.auth=requested
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
num.network.threads=1
num.io.threads=2
background.threads=1
group.coordinator.threads=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.io.buffer.size=65536
log.cleaner.backoff.ms=500
log.index.size.max.bytes=131072
`

// login lets users in on a listener: by SCRAM those that [Node.User] makes, by PLAIN one that the
// configuration names.
const login = `
listener.name.%[1]s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[2]s="%[3]s";
listener.name.%[1]s.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.%[1]s.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
`

// PlainUser and PlainPassword log in by the mechanism PLAIN.
const (
	PlainUser     = "plainuser"
	PlainPassword = "plain-secret"
)

// configure writes what the broker reads when it starts, and the folder of its data.
func (n *Node) configure(t testing.TB) {
	t.Helper()
	certificate, key := n.Authority.Issue(t, "kafka", time.Now().Add(24*time.Hour))
	properties := fmt.Appendf(nil, configuration, n.address(plain), n.address(tls), n.address(sasl), n.address(saslTLS), n.address(proxied), n.address(controller), n.proxy(n.address(proxied)))
	for _, listener := range []string{"sasl", "sasltls"} {
		properties = fmt.Appendf(properties, login, listener, PlainUser, PlainPassword)
	}
	for name, content := range map[string][]byte{
		"authority.pem":     n.Authority.PEM,
		"server.pem":        append(key, certificate...),
		"server.properties": properties,
	} {
		must.OK(t, os.WriteFile(filepath.Join(n.folder, name), content, 0o600))
	}
	// The data of a new node: test/install-tools has made them.
	must.OK(t, os.RemoveAll(filepath.Join(n.folder, "data")))
	must.OK(t, os.CopyFS(filepath.Join(n.folder, "data"), os.DirFS(filepath.Join(filepath.Dir(n.program), "data"))))
}

// environment is all that the broker gets: nothing of the machine's Kafka.
func (n *Node) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "JAVA_HOME=" + os.Getenv("JAVA_HOME"),
		"KAFKA_JAVA=-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 " +
			"-Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info -Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients.NetworkClient=error ",
	}
}
