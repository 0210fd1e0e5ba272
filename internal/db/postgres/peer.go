package postgresdb

import (
	"context"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
)

// How long a server that does not answer is taken for alive.
const (
	connectTimeout = 10 * time.Second // to connect and log in, for each host; connect_timeout in the URL sets another
	pingTimeout    = 5 * time.Second  // to answer on a connection that was idle
	pingAfter      = time.Second      // of being idle
)

// connectLimit returns how long it may take to connect as a pool does: each host of
// its URL may be one that does not answer. It is 0 where nothing limits that.
func connectLimit(pool *pgxpool.Pool) time.Duration {
	config := pool.Config().ConnConfig
	return time.Duration(1+len(config.Fallbacks)) * config.ConnectTimeout
}

// keepAlive notices within a minute that the machine at the other end has gone. A
// server that is busy answers. There is no TCP_USER_TIMEOUT beside it: that also
// ends a connection whose server is at work and takes no more for a while.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 6}

// serverKeepAlive tells the server to do the same. A pooler takes none of it, and
// has settings of its own.
var serverKeepAlive = []setting{
	{"tcp_keepalives_idle", "15"}, {"tcp_keepalives_interval", "5"}, {"tcp_keepalives_count", "6"},
}

// watchPeers makes the connections of a pool notice that their servers have gone.
func watchPeers(config *pgxpool.Config) {
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{Timeout: config.ConnConfig.ConnectTimeout, KeepAliveConfig: keepAlive}
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newLink(conn), nil
	}
}

// pingIdle makes a pool try a connection that was idle before it hands it out. The
// first one that gives no answer makes all others suspect. reset is the pool's.
func pingIdle(config *pgxpool.Config, reset func()) {
	config.ShouldPing = func(ctx context.Context, p pgxpool.ShouldPingParams) bool {
		if p.IdleDuration < pingAfter {
			return false
		}
		limited, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		if err := p.Conn.Ping(limited); err == nil {
			return false
		}
		if ctx.Err() == nil {
			reset()
		}
		return true // it is closed, so the pool's own ping fails at once, and the pool takes another one
	}
}

// Suspect drops the connections of a pool if an error shows that they lead to a
// server that does not answer, or to one that is not the primary any more: the next
// connection goes to whichever host of the URL is.
func Suspect(pool *pgxpool.Pool, err error) {
	if explainpostgres.IsAway(err) || explainpostgres.IsReadOnly(err) {
		pool.Reset()
	}
}

// addKeepAlive adds the server's part to a connection that leads to it directly.
func addKeepAlive(config *pgx.ConnConfig) {
	for _, s := range serverKeepAlive {
		if _, set := config.RuntimeParams[s.name]; !set {
			config.RuntimeParams[s.name] = s.value
		}
	}
}
