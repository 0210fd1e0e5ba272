package server

import (
	"net/http"
	"testing"
)

func TestCodingIsTheOneThatTheClientWantsMost(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"":                           "",
		"identity":                   "",
		"gzip":                       "gzip",
		"zstd":                       "zstd",
		"GZIP":                       "gzip",
		"gzip, zstd":                 "zstd", // the same weight, so ours to choose
		"gzip, zstd;q=0.5":           "gzip",
		"zstd;q=0":                   "",
		"zstd; q=0.000, gzip":        "gzip",
		"zstd;q=x":                   "",
		"zstd;q=-1":                  "",
		"zstd;q=2":                   "",
		"zstd;q=NaN":                 "",
		"xzstd, br, deflate":         "",
		"*":                          "zstd",
		"*, zstd;q=0":                "gzip",
		"identity;q=1, gzip;q=0.5":   "",
		"identity;q=0.5, gzip;q=0.1": "",
		"gzip;q=0.1":                 "gzip",
		"identity;q=0":               "none",
		"*;q=0":                      "none",
		"*;q=0, identity;q=0.1":      "",
		"*;q=0, gzip;q=0.1":          "gzip",
		"gzip;q=0, identity;q=0":     "none",
	} {
		got, ok := chooseCoding(http.Header{"Accept-Encoding": {accept}})
		if !ok {
			got = "none"
		}
		if got != want {
			t.Errorf("Accept-Encoding %q: %q, want %q", accept, got, want)
		}
	}
}

func TestMediaTypeIsWeighedByTheMostSpecificRange(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]float64{
		"":                              1,
		"*/*":                           1,
		"text/*;q=0.5, */*;q=0.1":       0.5,
		"text/html;q=0.2, text/*;q=0.5": 0.2,
		"TEXT/HTML":                     1,
		"application/json":              0,
		"text/html;level=1;q=0.3":       0.3,
		"text/html;q=0, */*":            0,
		"*/*;q=0.1, text/html;charset=utf-8;q=0.9": 0.9,
		"nonsense": 0,
	} {
		header := http.Header{}
		if accept != "" {
			header.Set("Accept", accept)
		}
		if got := typeWeight(weights(header, "Accept"), "text/html; charset=utf-8"); got != want {
			t.Errorf("Accept %q: %v, want %v", accept, got, want)
		}
	}
}
