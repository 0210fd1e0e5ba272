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

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

var update = flag.Bool("update", false, "write docs/screens anew")

const screens = "../../docs/screens"

// The pictures in the documentation show each page as it is.
func TestScreensOfEachPageAreKept(t *testing.T) {
	t.Parallel()
	names, pages := kinds(t)
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{{"desktop", "light", 1100, 720}, {"phone", "light", 360, 720}, {"dark", "dark", 1100, 720}, {"phone-dark", "dark", 360, 720}} {
		b := open(t, look.width)
		b.do(chromedp.EmulateViewport(look.width, look.height))
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		})
		for _, name := range names {
			b.do(chromedp.Navigate(pages[name]))
			if name == "feed" {
				b.until(`document.getElementById("state").textContent === "Live"`)
			}
			screen, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			must.OK(t, err)
			path := filepath.Join(screens, name+"-"+look.name+".png")
			if *update {
				must.OK(t, os.MkdirAll(screens, 0o755))
				must.OK(t, os.WriteFile(path, shrink(t, screen), 0o644))
			}
			kept, err := os.ReadFile(path)
			must.OK(t, err)
			checkScreen(t, path, kept, image.Pt(int(look.width), int(look.height)))
		}
	}
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
