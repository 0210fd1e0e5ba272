vcl 4.1;

# Varnish in front of feedserver. Copy this file to /etc/varnish/default.vcl, and change the lines marked
# CHANGE. docs/caches.md explains each line; eventfeed's tests run behind this file. No parameter of
# varnishd has to change.

import std;

backend eventfeed {
    .host = "127.0.0.1"; # CHANGE: the address of feedserver
    .port = "8080";      # CHANGE
    # Longer than feedserver's --max-wait.
    .first_byte_timeout = 120s;
    .between_bytes_timeout = 120s;
}

sub vcl_recv {
    # The client and the URL as Varnish knows them, for feedserver --trusted-proxies.
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Host = req.http.Host;
    set req.http.X-Forwarded-Proto = "http"; # CHANGE: "https" if a proxy before Varnish speaks TLS
    unset req.http.X-Forwarded-Port;
    unset req.http.X-Forwarded-Prefix;
    unset req.http.Forwarded;

    # Varnish compares only the first line of a header with Vary; the server reads all lines.
    std.collect(req.http.Accept);

    # Reduces every Accept-Encoding to one of three codings. A coding with full weight is preferred to
    # one with a lower weight. The header of our own hides the coding from Varnish, which does not support
    # zstd and decompresses gzip with a weaker ETag.
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

    # These requests bypass the cache: deltas (A-IM), long polls (Prefer), requests with credentials,
    # no-cache, appends, and event streams.
    if (req.http.A-IM || req.http.Prefer || req.http.Authorization || req.http.Cache-Control ~ "(?i)no-cache"
        || (req.method != "GET" && req.method != "HEAD")
        || req.url ~ "/feeds/[^/]+/stream(\?|$)") {
        return (pass);
    }
    # feedserver sets no cookies. Those of other services would keep a browser's requests out of the cache.
    unset req.http.Cookie;
}

sub vcl_hash {
    # Added to URL and host, which the built-in rules use. Vary does the rest.
    hash_data(req.http.Eventfeed-Coding);
    hash_data(req.http.X-Forwarded-Proto);
}

sub vcl_backend_fetch {
    set bereq.http.Accept-Encoding = bereq.http.Eventfeed-Coding;
    unset bereq.http.Eventfeed-Coding;
}

sub vcl_backend_response {
    # Expired answers are never served stale (grace), but revalidated by their ETag (keep).
    set beresp.grace = 0s;
    set beresp.keep = 1d;
    # Varnish would store answers without a lifetime for two minutes, a 404 too.
    if (beresp.status != 200 || !beresp.http.Cache-Control) {
        set beresp.uncacheable = true;
    }
}
