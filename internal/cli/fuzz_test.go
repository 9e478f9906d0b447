package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

var builtIn = sync.OnceValues(func() (*rulebook.Rulebook, error) { return rulebook.BuiltIn() })

// FuzzReport takes any text the whole way to every format. What is for machines can be read by them and says something of
// every duty; what is for people does not move their cursor or calculate in their spreadsheet.
func FuzzReport(f *testing.F) {
	book, err := builtIn()
	if err != nil {
		f.Fatal(err)
	}
	declared, err := os.ReadFile("../../examples/northwind/demarc.yaml")
	if err != nil {
		f.Fatal(err)
	}
	est, err := estate.Parse("demarc.yaml", declared, book.Parties())
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		`{"configurationItems":[{"resourceType":"AWS::RDS::DBInstance","ARN":"arn:aws:rds:eu-west-1:111122223333:db:\u001b[2J","resourceName":"=cmd|' /C calc'!A0\u202e","awsAccountId":"111122223333","awsRegion":"eu-west-1\r\n","tags":{"team":"\u202e","\"":"<script>"},"configuration":{"dBInstanceIdentifier":"a","engine":"\ud800","engineVersion":"16\u0000","autoMinorVersionUpgrade":false,"publiclyAccessible":true}}]}`,
		`[{"resourceType":"AWS::S3::Bucket","resourceId":"+1","configuration":{}},{"resourceType":"T\u0085","resourceId":"-","configuration":{}},{"resourceType":"@","resourceId":"\t=1","configuration":{}}]`,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: \"a|b\\r`c`\", namespace: '<b>', labels: {x: '-1'}}\n---\n\"\\e[31m\": x\n",
		`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users","value":[{"id":"u","displayName":"\u2028"}]}`,
	} {
		f.Add([]byte(text))
	}
	asOf := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text []byte) {
		var out, said bytes.Buffer
		a := &app{Streams: Streams{Out: &out, Err: &said}, getenv: func(string) string { return "" }}
		src := &file.Source{Input: file.Input{Path: "-", Source: &demarc.Source{Name: "-", Input: "-"}}, Stdin: bytes.NewReader(text), Envelopes: book.EnvelopeIndex()}
		result, err := scan.Run(t.Context(), scan.Config{Book: book, Estate: est, AsOf: asOf, Sources: []scan.Source{src}, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		r := &run{Result: result, book: book, estate: est, asOf: asOf, closing: result.Close}
		defer r.close()
		write := func(format string) []byte {
			out.Reset()
			if err := a.report(&out, format, r); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			return out.Bytes()
		}

		for i, line := range bytes.Split(bytes.TrimSuffix(write("ndjson"), []byte("\n")), []byte("\n")) {
			var answer struct {
				Resource struct{ ID, Type string }
				Duties   map[string]struct{ Holder, State string }
			}
			if err := json.Unmarshal(line, &answer); err != nil || !utf8.Valid(line) {
				t.Fatalf("line %d is no JSON: %v\n%q", i, err, line)
			}
			if i > 0 && (len(answer.Duties) != len(demarc.Duties) || answer.Resource.ID == "") {
				t.Errorf("line %d says something of %d duties: %q", i, len(answer.Duties), line)
			}
		}
		if whole := write("json"); !json.Valid(whole) {
			t.Errorf("no JSON: %q", whole)
		}
		rows, err := csv.NewReader(bytes.NewReader(write("csv"))).ReadAll()
		if err != nil {
			t.Errorf("no CSV: %v", err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("a cell that calculates: %q", cell)
				}
			}
		}
		if _, err := write("markdown"), a.end(r, false); err != nil && err.Error() != (outcome{exitIncomplete}).Error() {
			t.Errorf("the run ends with %v", err)
		}
		for name, shown := range map[string][]byte{"table": write("table"), "markdown": bytes.Clone(write("markdown")), "standard error": said.Bytes()} {
			if i := bytes.IndexFunc(shown, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) }); i >= 0 || !utf8.Valid(shown) {
				t.Errorf("%s moves the cursor: %q", name, shown[max(0, i-50):min(len(shown), max(i, 0)+50)])
			}
		}
	})
}
