package file_test

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/demarc/demarc"
)

// texts are shapes of what is found in files, for the fuzz targets. Their content is invented.
var texts = []string{
	pod, item, asset + "\n" + asset, "[" + vault + "," + pod + ",[" + asset + "]]", `{"servers":[{"id":"1"},null,{"id":2}],"servers_links":[{"rel":"next"}]}`,
	`{"format_version":"1.2","planned_values":{"root_module":{"resources":[` + change + `],"child_modules":[{"resources":[]}]}},"configuration":{"root_module":{}}}`,
	`{"version":4,"terraform_version":"1.5.0","serial":1,"resources":[{"type":"a","instances":[]}]}`, `{"version":3,"serial":1,"modules":[]}`,
	`{"data":{"columns":[{"name":"id"}],"rows":[["/x"],[null],[]]}}`, `{"count":0,"data":[]}`, `{"Results":["{\"resourceType\":\"T\"}"]}`,
	`{"invokingEvent":"{\"configurationItem\":` + strings.ReplaceAll(item, `"`, `\"`) + `}"}`,
	`{"status_code":200,"data":{"DBInstances":[{"DBInstanceIdentifier":"a"}]}}`, `{"Error":{"Code":"X","Message":"not authorized to perform: a:B"}}`,
	"{\n// c\n\"$schema\":\"https://x/deploymentTemplate.json#\",\"resources\":[],}", `{"AWSTemplateFormatVersion":"2010-09-09","Resources":{"A":{"Type":"A::B::C"}}}`,
	"apiVersion: v1\nkind: Pod\nmetadata: &m {name: p}\nx: *m\n--- # two\n- [a, {b: c}]\n...\n%YAML 1.1\n---\n!Sub a: !GetAtt b.c\n<<: {a: 1}\n",
	"[command]/bin/x\n{\"format_version\":\"1.0\",\"values\":{}}", "Dear reader,\n", "{{- if .Values.x }}\na: b\n", "a: |\n  ---\n  x\n---\n--- |\n---\n",
	`{"a":{"b":{"c":{"d":{"e":1}}}},"\u0061":[],"` + strings.Repeat("k", 300) + `":null}`,
}

// FuzzSource takes any text apart. It sees the same through any buffer, through compression and in UTF-8 with a mark, and
// tells where what it refuses is.
func FuzzSource(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
		f.Add(gzipped(f, text))
		f.Add(zstandard(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		whole := collect(t, bytes.NewReader(text))
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20+4000*uint64(len(text)) {
			t.Errorf("%d bytes were allocated for %d of text", n, len(text))
		}
		for _, d := range whole.docs {
			if d.Dialect == "" || len(d.Body) == 0 || d.Pos.Input == "" {
				t.Errorf("a document without dialect, text or place: %+v", d)
			}
			if d.Form == demarc.FormResource && d.Body[0] != '{' && d.Envelope == "" && d.Context == "" && d.Dialect != demarc.AWSConfig {
				t.Logf("a document that is no object: %.100q", d.Body) // whoever reads it will tell
			}
		}
		same := func(how string, in io.Reader) {
			if again := collect(t, in); !slices.Equal(whole.lines, again.lines) {
				t.Errorf("%q is\n%s\nand %s\n%s", text, strings.Join(whole.lines, "\n"), how, strings.Join(again.lines, "\n"))
			}
		}
		same("in pieces", iotest.HalfReader(bytes.NewReader(text)))
		if packed := bytes.HasPrefix(text, []byte("\x1f\x8b")) || bytes.HasPrefix(text, []byte("\x28\xb5\x2f\xfd")); packed || len(text) == 0 {
			return
		}
		same("through gzip", bytes.NewReader(gzipped(t, string(text))))
		same("through zstd", bytes.NewReader(zstandard(string(text))))
	})
}

var zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) { return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)) })

func zstandard(text string) []byte {
	z, err := zstdEncoder()
	if err != nil {
		panic(err)
	}
	return z.EncodeAll([]byte(text), nil)
}

// FuzzPacked spoils a compressed text at some place. What was read before that is found out stays, and it is told that
// something is wrong.
func FuzzPacked(f *testing.F) {
	for i := range 8 {
		f.Add(asset+"\n"+pod, uint16(i*17), byte(1<<i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, text string, at uint16, flip byte, gz bool) {
		whole := collect(t, strings.NewReader(text))
		packed := zstandard(text)
		if gz {
			packed = gzipped(t, text)
		}
		const magic = 4
		if len(packed) <= magic { // the empty text is nothing in zstd
			return
		}
		i := magic + int(at)%(len(packed)-magic)
		packed[i] ^= flip
		got := collect(t, bytes.NewReader(packed))
		if !slices.Equal(got.lines, whole.lines) && (len(got.lines) == 0 || !strings.HasPrefix(got.lines[len(got.lines)-1], "refused")) {
			t.Errorf("%q with byte %d spoilt is\n%s\nwant\n%s", text, i, strings.Join(got.lines, "\n"), strings.Join(whole.lines, "\n"))
		}
	})
}
