package rabbitstream

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// delivered returns a frame with a chunk, but for its length. entries are the bytes of each entry.
func delivered(subscription uint8, offset uint64, entries ...[]byte) []byte {
	data := bytes.Join(entries, nil)
	f := frame(nil).u16(keyDeliver).u16(version).u8(subscription).u8(0x50).u8(0).u16(uint16(len(entries))).u32(99).
		u64(0).u64(1).u64(offset).u32(crc32.ChecksumIEEE(data)).u32(uint32(len(data))).u32(0).u32(0)
	return append(f, data...)
}

func single(content string) []byte {
	return append(frame(nil).u32(uint32(len(content))), content...)
}

// batched returns an entry with several messages, as a publisher with sub-entries makes it.
func batched(messages uint16, content string) []byte {
	return append(frame(nil).u8(0x80).u16(messages).u32(uint32(len(content))).u32(uint32(len(content))), content...)
}

func TestAMessageOfAChunkIsFoundByItsOffset(t *testing.T) {
	t.Parallel()
	frame := delivered(1, 10, single("ten"), single(""), batched(3, "twelve to fourteen"), single("fifteen"))
	for offset, want := range map[uint64]string{
		0: "10 ten", 9: "10 ten", 10: "10 ten", 11: "11 ", 12: "12 <nil>", 14: "14 <nil>", 15: "15 fifteen", 16: "0 <nil>",
	} {
		r := reading{found: make(chan struct{}, 1)}
		r.begin(func(r *reading) { r.offset = offset })
		must.OK(t, r.deliver(&io.LimitedReader{R: bytes.NewReader(frame), N: int64(len(frame))}))
		if got := shown(r.message); got != want {
			t.Errorf("offset %d: %s, want %s", offset, got, want)
		}
	}
	r := reading{found: make(chan struct{}, 1)}
	r.begin(func(r *reading) { r.last = true })
	must.OK(t, r.deliver(&io.LimitedReader{R: bytes.NewReader(frame), N: int64(len(frame))}))
	if got := shown(r.message); got != "15 fifteen" {
		t.Errorf("the last message is %s", got)
	}
}

func shown(m Message) string {
	if m.Content == nil {
		return fmt.Sprint(m.Offset, " <nil>")
	}
	return fmt.Sprintf("%d %s", m.Offset, m.Content)
}

func TestAChunkOfAnotherSubscriptionIsSkipped(t *testing.T) {
	t.Parallel()
	r := reading{found: make(chan struct{}, 1)}
	r.begin(func(r *reading) { r.last = true })
	frame, input := delivered(7, 10, single("ten")), bytes.Buffer{}
	input.Write(frame)
	input.WriteString("next")
	must.OK(t, r.deliver(&io.LimitedReader{R: &input, N: int64(len(frame))}))
	if len(r.found) > 0 || input.String() != "next" {
		t.Errorf("found %v, left %q", r.message, input.String())
	}
}

func TestAChunkThatIsDamagedIsAnError(t *testing.T) {
	t.Parallel()
	whole := delivered(1, 10, single("ten"), batched(2, "eleven"))
	for at := range whole[5:] { // every byte counts but the numbers that are not used
		damaged := bytes.Clone(whole)
		damaged[5+at] ^= 0x41
		r := reading{found: make(chan struct{}, 1)}
		r.begin(func(r *reading) { r.last = true })
		err := r.deliver(&io.LimitedReader{R: bytes.NewReader(damaged), N: int64(len(damaged))})
		if unused := at >= 4 && at < 32 || at >= 40; err == nil && !unused {
			t.Errorf("byte %d: %s", 5+at, shown(r.message))
		}
	}
	for size := range whole {
		r := reading{found: make(chan struct{}, 1)}
		r.begin(func(r *reading) { r.last = true })
		if err := r.deliver(&io.LimitedReader{R: bytes.NewReader(whole[:size]), N: int64(len(whole))}); err == nil && len(r.found) > 0 {
			t.Errorf("a chunk of which %d bytes came: %s", size, shown(r.message))
		}
	}
}
