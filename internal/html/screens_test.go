package html_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

var update = flag.Bool("update", false, "write docs/screens anew")

const screens = "../../docs/screens"

// picture is one of a page, in the documentation.
type picture struct {
	name, url, scheme string
	width, height     int64
}

// The pictures in the documentation show each page on a desk and on a phone, in light and dark.
func TestScreensOfEachPageAreKept(t *testing.T) {
	t.Parallel()
	var pages map[string]string
	if *update {
		pages = kinds(t)
	}
	var all []picture
	for _, name := range kindNames {
		all = append(all, picture{name + "-desktop", pages[name], "light", 1100, 720}, picture{name + "-phone", pages[name], "light", 360, 720},
			picture{name + "-dark", pages[name], "dark", 1100, 720}, picture{name + "-phone-dark", pages[name], "dark", 360, 720})
	}
	keepPictures(t, all, func(b *tab) {
		if eval[bool](b, `document.getElementById("state") !== null`) {
			b.until(`document.getElementById("state").textContent === "Live"`)
		}
	})
}

// keepPictures checks that the pictures are there. With -update it takes them, each when ready has
// returned. Only then there is a browser: whether they look as the pages do today is for people to say,
// because fonts differ between machines.
func keepPictures(t *testing.T, pictures []picture, ready func(b *tab)) {
	t.Helper()
	if *update {
		b := open(t, pictures[0].width)
		for _, p := range pictures {
			b.take(p, ready)
		}
	}
	for _, p := range pictures {
		path := p.path()
		kept, err := os.ReadFile(path)
		must.OK(t, err)
		checkScreen(t, path, kept, image.Pt(int(p.width), int(p.height)))
	}
}

func (p *picture) path() string { return filepath.Join(screens, p.name+".png") }

// take writes a picture of a page when ready has returned.
func (b *tab) take(p picture, ready func(b *tab)) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(p.width, p.height))
	b.scheme(p.scheme)
	b.do(chromedp.Navigate(p.url))
	ready(b)
	screen, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	must.OK(b.t, err)
	must.OK(b.t, os.MkdirAll(screens, 0o755))
	must.OK(b.t, os.WriteFile(p.path(), shrink(b.t, screen), 0o644))
}

func checkScreen(t *testing.T, path string, kept []byte, size image.Point) {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(kept))
	must.OK(t, err)
	if picture.Bounds().Size() != size || len(kept) > 150_000 {
		t.Errorf("%s: %v, %d bytes; write it anew with -update", path, picture.Bounds(), len(kept))
	}
}

// shrink keeps at most 256 colours: of those that look alike the one that is
// used most. Text has few.
func shrink(t *testing.T, screen []byte) []byte {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(screen))
	must.OK(t, err)
	bounds, used := picture.Bounds(), map[color.Color]int{}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			used[picture.At(x, y)]++
		}
	}
	var palette color.Palette
	for _, c := range slices.SortedFunc(maps.Keys(used), func(a, b color.Color) int { return used[b] - used[a] }) {
		if len(palette) < 256 && !slices.ContainsFunc(palette, func(kept color.Color) bool { return alike(c, kept) }) {
			palette = append(palette, c)
		}
	}
	small := image.NewPaletted(bounds, palette)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			small.Set(x, y, picture.At(x, y))
		}
	}
	var b bytes.Buffer
	must.OK(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, small))
	return b.Bytes()
}

func alike(a, b color.Color) bool {
	distance := 0
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	for _, pair := range [][2]uint32{{ar, br}, {ag, bg}, {ab, bb}} {
		distance = max(distance, int(max(pair[0], pair[1])-min(pair[0], pair[1]))>>8)
	}
	return distance < 6
}
