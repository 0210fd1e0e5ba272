vcl 4.1;

# Varnish in front of feedserver: put it into /etc/varnish/default.vcl, and change the lines that say
# CHANGE. docs/caches.md explains each line; the tests run behind
# this very file. No parameter of varnishd has to be changed.

import std;

backend eventfeed {
    .host = "127.0.0.1"; # CHANGE: where feedserver listens
    .port = "8080";      # CHANGE
    # Longer than feedserver's --max-wait.
    .first_byte_timeout = 120s;
    .between_bytes_timeout = 120s;
}

sub vcl_recv {
    # Who asks, and for what: only what Varnish has seen itself. For feedserver --trusted-proxies.
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Host = req.http.Host;
    set req.http.X-Forwarded-Proto = "http"; # CHANGE: "https" where what stands before Varnish speaks TLS
    unset req.http.X-Forwarded-Port;
    unset req.http.X-Forwarded-Prefix;
    unset req.http.Forwarded;

    # Vary is checked against the first line of a field; the server would read them all.
    std.collect(req.http.Accept);

    # Every Accept-Encoding there is comes down to one of three. What a client takes fully goes before
    # what it gives a lower weight. The name of our own hides it from Varnish, which knows no zstd and
    # unpacks gzip under a weaker ETag.
    if (req.http.Accept-Encoding ~ "(?i)(^|[\s,])zstd\s*(,|$|;\s*q=1)") {
        set req.http.Eventfeed-Coding = "zstd";
    } elsif (req.http.Accept-Encoding ~ "(?i)(^|[\s,])gzip\s*(,|$|;\s*q=1)") {
        set req.http.Eventfeed-Coding = "gzip";
    } elsif (req.http.Accept-Encoding ~ "(?i)(^|[\s,])identity\s*(,|$|;\s*q=1)") {
        set req.http.Eventfeed-Coding = "identity";
    } elsif (req.http.Accept-Encoding ~ "(?i)(^|[\s,])zstd\s*;\s*q=0\.\d*[1-9]") {
        set req.http.Eventfeed-Coding = "zstd";
    } elsif (req.http.Accept-Encoding ~ "(?i)(^|[\s,])gzip\s*;\s*q=0\.\d*[1-9]") {
        set req.http.Eventfeed-Coding = "gzip";
    } else {
        set req.http.Eventfeed-Coding = "identity";
    }
    set req.http.Accept-Encoding = req.http.Eventfeed-Coding;

    # Past the cache: those who ask for a delta, those who wait, those who say who they are, those who
    # write, and event streams.
    if (req.http.A-IM || req.http.Prefer || req.http.Authorization || req.http.Cache-Control ~ "(?i)no-cache"
        || (req.method != "GET" && req.method != "HEAD")
        || req.url ~ "/feeds/[^/]+/stream(\?|$)") {
        return (pass);
    }
    # feedserver sets none, and other services' would keep a browser from the cache.
    unset req.http.Cookie;
}

sub vcl_hash {
    # Beside URL and host, which the built-in rules add. Vary does the rest.
    hash_data(req.http.Eventfeed-Coding);
    hash_data(req.http.X-Forwarded-Proto);
}

sub vcl_backend_fetch {
    set bereq.http.Accept-Encoding = bereq.http.Eventfeed-Coding;
    unset bereq.http.Eventfeed-Coding;
}

sub vcl_backend_response {
    # What is too old is never given out (grace), but asked for by its ETag (keep).
    set beresp.grace = 0s;
    set beresp.keep = 1d;
    # Varnish would store what says nothing of its lifetime for two minutes, a 404 as well.
    if (beresp.status != 200 || !beresp.http.Cache-Control) {
        set beresp.uncacheable = true;
    }
}
