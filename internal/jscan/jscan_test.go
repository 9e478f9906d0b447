package jscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/demarc/demarc/internal/jscan"
)

// slots declares paths and scans text for them, returning what was captured by path.
func captured(t *testing.T, fold, single bool, text string, paths ...string) (map[string]string, error) {
	t.Helper()
	root := jscan.NewNode(fold, single)
	for i, p := range paths {
		root.At(strings.Split(p, ".")...).Slot = i
	}
	c := jscan.NewCaptures(len(paths))
	err := jscan.Scan([]byte(text), root, c)
	got := map[string]string{}
	for i, p := range paths {
		if v := c.Get(i); v != nil {
			got[p] = string(v)
		}
	}
	return got, err
}

func TestScanTakesDeclaredPaths(t *testing.T) {
	for _, tc := range []struct {
		name, text   string
		fold, single bool
		paths        []string
		want         map[string]string
	}{
		{name: "nested", text: `{"x":[1,{"a":2}],"a":{"b":{"c":"v"}},"z":null}`, paths: []string{"a.b.c", "z"}, want: map[string]string{"a.b.c": `"v"`, "z": "null"}},
		{name: "a path and one below it", text: `{"a":{"b":1}}`, paths: []string{"a", "a.b"}, want: map[string]string{"a": `{"b":1}`, "a.b": "1"}},
		{name: "the last of two", text: `{"a":1,"a":2}`, paths: []string{"a"}, want: map[string]string{"a": "2"}},
		{name: "escaped key", text: `{"\u0061":1}`, paths: []string{"a"}, want: map[string]string{"a": "1"}},
		{name: "case folded", text: `{"dBInstance":{"ARN":1}}`, fold: true, paths: []string{"DBInstance.arn"}, want: map[string]string{"DBInstance.arn": "1"}},
		{name: "case kept", text: `{"A":1}`, paths: []string{"a"}, want: map[string]string{}},
		{name: "a list is not entered", text: `{"a":[{"b":1}]}`, paths: []string{"a.b"}, want: map[string]string{}},
		{name: "a list of one is transparent", text: `{"a":[{"b":[{"c":1}]}]}`, single: true, paths: []string{"a.b.c"}, want: map[string]string{"a.b.c": "1"}},
		{name: "a list of two is not", text: `{"a":[{"b":1},{"b":2}]}`, single: true, paths: []string{"a.b"}, want: map[string]string{}},
		{name: "scalar on the way", text: `{"a":3}`, paths: []string{"a.b"}, want: map[string]string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := captured(t, tc.fold, tc.single, tc.text, tc.paths...)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			for p, w := range tc.want {
				if got[p] != w {
					t.Errorf("%s = %q, want %q", p, got[p], w)
				}
			}
		})
	}
}

func TestScanErrorsNameTheByte(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,}`:                 "at byte 7: expected a key, found '}'",
		`{"a" 1}`:                  "at byte 5: expected ':', found '1'",
		`[1 2]`:                    "at byte 3: expected ',' or ']', found '2'",
		`{"a":"b`:                  `at byte 7: expected '"', found the end of the text`,
		"\"a\nb\"":                 `at byte 2: expected no control character in a string, found '\n'`,
		`"\x"`:                     `at byte 2: expected an escape such as \n or \u0020, found 'x'`,
		`01`:                       "at byte 1: expected the end of the value, found '1'",
		`tru`:                      "at byte 0: expected a value, found 't'",
		"\"\xff\"":                 "at byte 1: expected UTF-8, found byte 0xff",
		strings.Repeat("[", 10000): "at byte 512: expected at most 512 levels of nesting, found '['",
	} {
		err := jscan.Valid([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("Valid(%.20q) = %v, want %s", text, err, want)
		}
	}
}

func TestDecoderFramesAStream(t *testing.T) {
	const text = ` {"items": [ {"a":"]}\"\\"}, 17 , "s" ,[], true] , "n":1} {"next":2}
	[3]`
	for size := 1; size < 40; size++ {
		d := jscan.NewDecoder(iotest.OneByteReader(strings.NewReader(text)), size)
		var got []string
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("block size %d: %v", size, err)
			}
		}
		must(d.Enter())
		for {
			ok, err := d.Next()
			must(err)
			if !ok {
				break
			}
			key, err := d.Key()
			must(err)
			if key != "items" {
				v, err := d.Value(100)
				must(err)
				got = append(got, key+"="+string(v))
				continue
			}
			must(d.Enter())
			for {
				ok, err := d.Next()
				must(err)
				if !ok {
					break
				}
				v, err := d.Value(100)
				must(err)
				got = append(got, string(v))
			}
		}
		must(d.Skip())
		v, err := d.Value(100)
		must(err)
		got = append(got, string(v))
		if _, err := d.Kind(); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v, want EOF", err)
		}
		want := `{"a":"]}\"\\"}|17|"s"|[]|true|n=1|[3]`
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("block size %d: got %s, want %s", size, s, want)
		}
	}
}

func TestDecoderPassesOverWhatIsTooLarge(t *testing.T) {
	text := `["` + strings.Repeat("x", 1<<20) + `", 2, ` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `, 4]`
	d := jscan.NewDecoder(strings.NewReader(text), 512)
	if err := d.Enter(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		ok, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		v, err := d.Value(1000)
		if errors.Is(err, jscan.ErrTooLarge) {
			v = []byte("large")
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(v))
	}
	if s := strings.Join(got, "|"); s != "large|2|large|4" {
		t.Errorf("got %s", s)
	}
}

func TestDecoderTellsATruncatedStream(t *testing.T) {
	d := jscan.NewDecoder(strings.NewReader(`{"a":[1,2`), 16)
	_, err := d.Value(100)
	var syntax *jscan.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset != 9 {
		t.Errorf("got %v, want a syntax error at byte 9", err)
	}
}

// paths are captured by the fuzz target, in a set that compares keys as it is told.
var paths = [][]string{{"a"}, {"a", "b"}, {"a", "b", "c"}, {"a", "c"}, {"b", "a"}}

// FuzzScan holds Scan against encoding/json: what is JSON, and what lies at paths.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,"x\u00e9",true,null]}`, `"\ud83d\ude00"`, `[]`, `{}`, ` 0 `, `{"a":{"b":{}}}`,
		`{"a":{"b":{"c":1}},"A":{"c":[{"b":2}]},"b":[{"a":3}]}`, // one key in two cases
		`{"a":{"b":1,"c":2},"a":{"c":3}}`, `{"a":{"b":1},"a":4}`, `{"a":[{"b":[{"c":5}]}],"\u0061":[{},{"b":6}]}`,
		`{"` + strings.Repeat("k", 200) + `":{"a":1},"a":{"":{"b":1}}}`,
	} {
		f.Add([]byte(s), true, true)
		f.Add([]byte(s), false, false)
	}
	f.Fuzz(func(t *testing.T, text []byte, fold, single bool) {
		root := jscan.NewNode(fold, single)
		for i, p := range paths {
			root.At(p...).Slot = i
		}
		c := jscan.NewCaptures(len(paths))
		err := jscan.Scan(text, root, c)
		// encoding/json takes what is not UTF-8 and nests deeper.
		if want := json.Valid(text); want != (err == nil) && utf8.Valid(text) && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) < jscan.MaxDepth {
			t.Fatalf("Scan(%q) = %v, encoding/json says %v", text, err, want)
		}
		if err != nil {
			var syntax *jscan.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > int64(len(text))+1 {
				t.Fatalf("Scan(%q) = %v, which is nowhere in the text", text, err)
			}
			return
		}
		want := decode(t, json.NewDecoder(bytes.NewReader(text)), fold)
		for i, p := range paths {
			at, ok := look(want, p, single)
			got := c.Get(i)
			if ok != (got != nil) {
				t.Fatalf("Scan(%q) at %v = %q, want %v", text, p, got, at)
			}
			if ok && !reflect.DeepEqual(at, decode(t, json.NewDecoder(bytes.NewReader(got)), fold)) {
				t.Fatalf("Scan(%q) at %v = %q, want %v", text, p, got, at)
			}
		}
		if s, is := want.(string); is {
			if got, _ := jscan.IsString(bytes.TrimSpace(text)); got != s {
				t.Fatalf("IsString(%q) = %q, want %q", text, got, s)
			}
		}
	})
}

// decode is a value as encoding/json has it; of keys that are the same the last counts.
func decode(t *testing.T, d *json.Decoder, fold bool) any {
	d.UseNumber()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch token {
	case json.Delim('{'):
		out := map[string]any{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			k := key.(string)
			if fold {
				k = string(bytes.Map(func(r rune) rune {
					if r >= 'A' && r <= 'Z' {
						r += 'a' - 'A'
					}
					return r
				}, []byte(k)))
			}
			out[k] = decode(t, d, fold)
		}
		_, _ = d.Token()
		return out
	case json.Delim('['):
		out := []any{}
		for d.More() {
			out = append(out, decode(t, d, fold))
		}
		_, _ = d.Token()
		return out
	default:
		return token
	}
}

// look returns what lies at a path. With single, a list of one is read as its element where something below is asked for.
func look(v any, path []string, single bool) (any, bool) {
	for _, key := range path {
		for list, ok := v.([]any); single && ok && len(list) == 1; list, ok = v.([]any) {
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[key]; !ok {
			return nil, false
		}
	}
	return v, true
}

// FuzzDecoder goes through a text by a script of steps, from memory and through buffers of any size: it sees the same,
// and never more than the text.
func FuzzDecoder(f *testing.F) {
	for _, script := range []string{"v", "env", "enkvnkv", "enkenvnvnn", "ss", "enks"} {
		f.Add([]byte(`{"a":[1,{"b":"]}\"\\"}],"c":{}} 17 "s"[] true`), script, uint8(3))
		f.Add([]byte(`[[[],[{"\u1":0}]]`), script, uint8(1))
		f.Add([]byte(`{"a" 1}`), script, uint8(7))
	}
	for _, text := range []string{"{\"a\":1\n{\"b\":2}\n", "[\n  {\"a\":\"b},\n  {\"c\":[]},\n  {\"d\":{\n]\n", "[\n {}\n {]\n\"x\":[\n {}]"} {
		for _, script := range []string{"drdrd", "endrndrndr", "enrdnrd"} {
			f.Add([]byte(text), script, uint8(2))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, script string, size uint8) {
		step := func(d *jscan.Decoder) (trace []string) {
			depth := 0
			for _, op := range script {
				var err error
				var got string
				switch op {
				case 'e':
					if err = d.Enter(); err == nil {
						depth++
					}
				case 'n':
					if depth == 0 {
						continue
					}
					var more bool
					if more, err = d.Next(); err == nil && !more {
						depth--
					}
					got = fmt.Sprint(more)
				case 'k':
					got, err = d.Key()
				case 's':
					err = d.Skip()
				case 'd':
					var raw []byte
					raw, err = d.Document(100)
					got = string(raw)
				case 'r':
					got = fmt.Sprint(d.Resume())
				default:
					var raw []byte
					raw, err = d.Value(int(op))
					got = string(raw)
				}
				trace = append(trace, fmt.Sprintf("%c %q %v at %d", op, got, err, d.Offset()))
				if d.Offset() > int64(len(text)) {
					t.Fatalf("%q: it stands at %d of %d bytes", text, d.Offset(), len(text))
				}
				if err != nil && !errors.Is(err, jscan.ErrTooLarge) {
					break
				}
			}
			return trace
		}
		whole := bytes.Clone(text)
		want := step(jscan.DecodeBytes(whole))
		if !bytes.Equal(whole, text) {
			t.Fatalf("DecodeBytes changed %q to %q", text, whole)
		}
		got := step(jscan.NewDecoder(iotest.HalfReader(bytes.NewReader(text)), int(size)+1))
		if !slices.Equal(want, got) {
			t.Fatalf("%q by %q, in memory\n%s\nand from a stream in blocks of %d\n%s", text, script, strings.Join(want, "\n"), int(size)+1, strings.Join(got, "\n"))
		}
		if jscan.Valid(text) == nil {
			framed, err := jscan.DecodeBytes(text).Value(len(text))
			if err != nil || !bytes.Equal(framed, bytes.TrimSpace(text)) {
				t.Fatalf("framed %q as %q: %v", text, framed, err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	text := []byte(`{"configuration":{"dBInstanceIdentifier":"orders-pg","engine":"postgres","list":[` +
		strings.Repeat(`{"vpcSecurityGroupId":"sg-0db0db0db0db0db01","status":"active","n":12345,"ok":true},`, 30) + `null]},"resourceType":"AWS::RDS::DBInstance"}`)
	root := jscan.NewNode(true, false)
	root.At("configuration", "engine").Slot = 0
	root.At("resourceType").Slot = 1
	c := jscan.NewCaptures(2)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		c.Reset()
		if err := jscan.Scan(text, root, c); err != nil {
			b.Fatal(err)
		}
	}
}
