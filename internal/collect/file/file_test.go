package file_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
)

// envelopes claims a few members, as a catalog would.
type envelopes struct{}

func (envelopes) Member(key string) []demarc.Claim {
	switch key {
	case "Reservations":
		return []demarc.Claim{{Dialect: demarc.AWSAPI}}
	case "DBInstances":
		return []demarc.Claim{{Dialect: demarc.AWSAPI, Has: "DBInstanceIdentifier"}}
	case "servers":
		return []demarc.Claim{{Dialect: demarc.OpenStack, Has: "id"}}
	case "virtualMachines":
		return []demarc.Claim{{Dialect: demarc.VSphere}}
	default:
		return nil
	}
}

func (envelopes) Whole(key string) []demarc.Claim {
	switch key {
	case "KeyMetadata", "BrokerArn":
		return []demarc.Claim{{Dialect: demarc.AWSAPI}}
	case "State":
		return []demarc.Claim{{Dialect: demarc.AWSAPI, Text: "unblocked"}}
	default:
		return nil
	}
}

// manyMembers are more than a sketch of a document holds.
var manyMembers = func() string {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, `"k%d":"v",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}()

// sink keeps what it is given, as lines.
type sink struct {
	lines []string
	docs  []demarc.Document
	stop  error
}

func (s *sink) Document(_ context.Context, d demarc.Document) error {
	d.Body = bytes.Clone(d.Body)
	s.docs = append(s.docs, d)
	line := fmt.Sprintf("%s %s", d.Dialect, d.Body)
	if d.Form != demarc.FormResource {
		line = fmt.Sprintf("%s form %d %s", d.Dialect, d.Form, d.Body)
	}
	if d.Envelope != "" {
		line += " in " + d.Envelope
	}
	if d.Context != "" {
		line += " of " + d.Context
	}
	if d.Summary {
		line += " summary"
	}
	s.lines = append(s.lines, line)
	return s.stop
}

func (s *sink) Note(n demarc.Note) {
	at := ""
	switch {
	case n.Pos.Line > 0:
		at = fmt.Sprintf(" line %d", n.Pos.Line)
	case n.Pos.Offset >= 0:
		at = fmt.Sprintf(" byte %d", n.Pos.Offset)
	}
	s.lines = append(s.lines, fmt.Sprintf("%s%s: %s", n.Kind, at, n.Message))
}

func collect(t testing.TB, in io.Reader) *sink {
	t.Helper()
	s := &sink{}
	src := file.Source{Input: file.Input{Path: "-", Source: &demarc.Source{Name: "-", Input: "-"}}, Stdin: in, Envelopes: envelopes{}}
	if err := src.Collect(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	pod    = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}`
	asset  = `{"name":"//x/y","assetType":"x/Y"}`
	item   = `{"resourceType":"AWS::S3::Bucket","configuration":{}}`
	vault  = `{"id":"/subscriptions/1/providers/Microsoft.KeyVault/vaults/v","type":"Microsoft.KeyVault/vaults"}`
	change = `{"address":"a.b","type":"a"}`
)

// TestText reads texts of every kind that is seen in the wild.
func TestText(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"one object", pod, []string{"kubernetes " + pod}},
		{"carriage returns and a mark", "\xef\xbb\xbf\r\n" + pod + "\r\n", []string{"kubernetes " + pod}},
		{"an array", "[" + asset + ",\n" + asset + "]", []string{"cai " + asset, "cai " + asset}},
		{"an empty array", "[]", nil},
		{"lines", asset + "\n" + asset + "\n", []string{"cai " + asset, "cai " + asset}},
		{"concatenated, without anything between", asset + pod, []string{"cai " + asset, "kubernetes " + pod}},
		{
			"lines of several kinds", `{"error":{"code":"X","message":"m"}}` + "\n" + `{}` + "\n" + pod + "\n" + item + "\n" + vault,
			[]string{"denied byte 0: an error body, X: what was asked for could not be read", "refused byte 37: an empty object", "kubernetes " + pod, "awsconfig " + item, "arm " + vault},
		},
		{"an array of pages", `[{"servers":[{"id":"1"}]},{"servers":[{"id":"2"}]}]`, []string{`openstack {"id":"1"} in servers[]`, `openstack {"id":"2"} in servers[]`}},
		{"pages behind each other", `{"Reservations":[{"a":1}]}{"Reservations":[{"a":2}],"NextToken":"x"}`, []string{`awsapi {"a":1} in Reservations[]`, `awsapi {"a":2} in Reservations[]`}},
		{"a body with members called like lists of others", `{"BrokerArn":"a","DBInstances":["x"],"servers":[{"id":"1"}]}`, []string{`awsapi {"BrokerArn":"a","DBInstances":["x"],"servers":[{"id":"1"}]}`}},
		{"a list beside a text that is not meant", `{"State":"open","servers":[{"id":"1"}]}`, []string{`openstack {"id":"1"} in servers[]`}},
		{"items of several accounts", `{"BaseConfigurationItems":[` + item + `],"UnprocessedResourceIdentifiers":[]}`, []string{"awsconfig " + item}},
		{"an item of another account", `{"ConfigurationItem":` + item + `}`, []string{"awsconfig " + item}},
		{"an event", `{"detail-type":"Config Configuration Item Change","detail":{"configurationItem":` + item + `}}`, []string{"awsconfig " + item}},
		{"a notification", `{"TopicArn":"t","Message":"{\"configurationItem\":{\"resourceType\":\"x\",\"configuration\":{}}}"}`, []string{`awsconfig {"resourceType":"x","configuration":{}}`}},
		{"a template of a stack", `{"TemplateBody":{"AWSTemplateFormatVersion":"2010-09-09"},"StagesAvailable":[]}`, []string{`cloudformation form 1 {"AWSTemplateFormatVersion":"2010-09-09"}`}},
		{"a template of a stack, in YAML", `{"StagesAvailable":[],"TemplateBody":"AWSTemplateFormatVersion: a\nResources: {A: {Type: B::C}}\n"}`, []string{`cloudformation form 1 {"AWSTemplateFormatVersion":"a","Resources":{"A":{"Type":"B::C"}}}`}},
		{"a single body", `{"KeyMetadata":{"KeyId":"k"}}`, []string{`awsapi {"KeyMetadata":{"KeyId":"k"}}`}},
		{"a list of Kubernetes", `{"apiVersion":"apps/v1","kind":"DeploymentList","items":[{"metadata":{}}]}`, []string{`kubernetes {"metadata":{}} of apps/Deployment`}},
		{"a log line before a plan", "[command]/bin/terraform show -json\n" + `{"format_version":"1.2","resource_changes":[` + change + `]}`, []string{"terraform form 2 " + change}},
		{"several log lines", "Initializing\nsome, words\n" + `{"format_version":"1.2","resource_changes":[` + change + `]}`, []string{"terraform form 2 " + change}},
		{"planned values without changes", `{"format_version":"1.0","planned_values":{"root_module":{"resources":[` + change + `],"child_modules":[{"resources":[` + change + `]}]}}}`, []string{"terraform form 3 " + change, "terraform form 3 " + change}},
		{"planned values beside changes", `{"format_version":"1.0","planned_values":{"root_module":{"resources":[` + change + `]}},"resource_changes":[` + change + `]}`, []string{"terraform form 2 " + change}},
		{"a dump of schemas", `{"format_version":"1.0","provider_schemas":{}}`, []string{"refused byte 0: a dump of Terraform provider schemas, not a plan or a state"}},
		{"a recording", `{"status_code":200,"data":{"DBInstances":[{"DBInstanceIdentifier":"d"}],"ResponseMetadata":{}}}`, []string{`awsapi {"DBInstanceIdentifier":"d"} in DBInstances[]`}},
		{"comments in a template", "{\n// a comment\n\"$schema\":\"https://x/deploymentTemplate.json#\",\"a\":\"b // no\nc\", /* more */ \"resources\":[],}", []string{"arm form 1 {\n\n\"$schema\":\"https://x/deploymentTemplate.json#\",\"a\":\"b // no\\nc\",  \"resources\":[]}"}},
		{"a summary of Resource Graph", `{"count":1,"totalRecords":1,"data":[{"n":1}]}`, []string{"refused byte 0: a Resource Graph result without ids or types: a summary, not an inventory"}},
		{"a table of Resource Graph", `{"data":{"columns":[{"name":"id"},{"name":"n"}],"rows":[["/x",1],["/y",2]]}}`, []string{`arm form 7 {"id":"/x","n":1}`, `arm form 7 {"id":"/y","n":2}`}},
		{"a table that is a summary", `{"data":{"columns":[{"name":"n"}],"rows":[[1],[2]]}}`, []string{"refused byte 8: a Resource Graph result without ids or types: a summary, not an inventory"}},
		{"YAML documents, some empty", "---\n# nothing\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\n", []string{"kubernetes " + pod}},
		{"YAML documents, one broken", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\na: [\nb: c\n", []string{"kubernetes " + pod, "refused line 5: did not find expected ',' or ']'"}},
		{"YAML documents, one broken in the middle", "# first\n\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\na: [\nb: c\n--- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n---\n- [\n", []string{"kubernetes " + pod, "refused line 7: did not find expected ',' or ']'", "kubernetes " + pod, "refused line 12: did not find expected node content"}},
		{"YAML with directives and ends", "%YAML 1.1\n# of a tool\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n...\n---\n---\r\nx: 1\n", []string{"kubernetes " + pod, "refused line 10: no document that demarc knows: its members are x; expected an inventory, an API body, a template, a plan or a state"}},
		{"YAML whose lines only look like an end", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\ndata:\n  cert: |\n    -----BEGIN\n    ---\n  b: ---\n", []string{`kubernetes {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"data":{"cert":"-----BEGIN\n---\n","b":"---"}}`}},
		{"merge keys", "apiVersion: v1\nkind: Pod\nmetadata: &m {name: p, labels: &l {a: 1}}\nx: {<<: *m, name: q}\ny: {a: 2, <<: [*l, {b: 3, a: 4}]}\n", []string{`kubernetes {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a":1}},"x":{"name":"q","labels":{"a":1}},"y":{"a":2,"b":3}}`}},
		{"a key that is no text", "apiVersion: v1\nkind: Pod\nmetadata: {? [a]: b}\n", []string{"refused line 3: expected a key that is text"}},
		{"a kind behind thousands of members", `{"apiVersion":"v1","data":{` + manyMembers + `},"kind":"ConfigMap"}`, []string{`kubernetes {"apiVersion":"v1","data":{` + manyMembers + `},"kind":"ConfigMap"}`}},
		{"arrays in arrays", "[[[" + asset + "]]," + pod + "]", []string{"cai " + asset, "kubernetes " + pod}},
		{"a Helm template", "apiVersion: v1\nkind: Pod\n{{- if .Values.x }}\nmetadata: {name: p}\n{{ end }}\n", []string{"refused line 3: could not find expected ':'"}},
		{"short tags of CloudFormation", "Resources: {A: {Type: 'AWS::S3::Bucket', Properties: {B: !GetAtt A.Arn, C: !If [X, !Ref Y, !Sub '${Z}'], D: 0123}}}", []string{`cloudformation form 1 {"Resources":{"A":{"Type":"AWS::S3::Bucket","Properties":{"B":{"Fn::GetAtt":"A.Arn"},"C":{"Fn::If":["X",{"Ref":"Y"},{"Fn::Sub":"${Z}"}]},"D":"0123"}}}}`}},
		{"only comments", "# nothing\n", []string{"refused: no document in it: only comments or empty YAML"}},
		{"empty", "", []string{"refused byte 0: the input is empty"}},
		{"white space", " \n\t", []string{"refused byte 0: the input is empty"}},
		{"prose", "Dear reader,\nthis is no inventory.\n", []string{"refused line 1: neither JSON nor YAML of a kind that demarc knows"}},
		{"binary", "\x7fELF\x00\x01", []string{"refused: binary data; expected JSON or YAML"}},
		{"members of Graph without their collection", `{"value":[{"id":"1","verifiedDomains":[]}]}`, []string{`graph {"id":"1","verifiedDomains":[]} in value[] of organization`}},
		{"members of Graph that were selected", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#applications(id,appId)","value":[{"id":"1"}]}`, []string{`graph {"id":"1"} in value[] of applications summary`}},
		{"a member of Graph that was selected", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users(id,manager(id))/$entity","id":"1"}`, []string{`graph {"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users(id,manager(id))/$entity","id":"1"} of users summary`}},
		{"members of Graph with what they hold", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#groups(members(),owners(id))","value":[{"id":"1"}]}`, []string{`graph {"id":"1"} in value[] of groups`}},
		{"members of Graph of a member", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#groups('1')/owners(*)","value":[{"id":"1"}]}`, []string{`graph {"id":"1"} in value[] of owners`}},
		{"users as the Azure CLI prints them", `[{"id":"1","userPrincipalName":"a@b"}]`, []string{`graph {"id":"1","userPrincipalName":"a@b"} of users`}},
		{"what gcloud prints", `[{"name":"c","selfLink":"https://container.googleapis.com/v1/projects/p/locations/l/clusters/c"}]`, []string{"refused byte 1: what gcloud prints of a resource; demarc reads Cloud Asset Inventory exports: gcloud asset export --content-type=resource"}},
		{"what the openstack client prints", `[{"ID":"1","Name":"n","Subnets":[]}]`, []string{"refused byte 1: what the openstack client prints; demarc reads bodies of the API, such as that of GET /servers/detail"}},
		{"what Azure PowerShell prints", `[{"Id":"/subscriptions/1","Name":"n"}]`, []string{"refused byte 1: what Azure PowerShell prints; give what the Azure CLI prints, such as az vm list, or a result of Azure Resource Graph"}},
		{"subscriptions of the Azure CLI", `[{"cloudName":"AzureCloud","id":"1","isDefault":true,"tenantId":"t","user":{"name":"u"}}]`, []string{"refused byte 1: a list of subscriptions; demarc reads what is in them: az graph query, or lists of the Azure CLI"}},
		{"what an old govc prints", `{"VirtualMachines":[{"Self":{"Value":"vm-1"}}]}`, []string{"refused byte 0: what an old govc prints; a newer one writes names in small letters, and those are read"}},
		{"a list of paths by govc", `{"elements":[{"Path":"/x"}]}`, []string{"refused byte 0: a list of paths by govc; give what govc vm.info -json, host.info -json and datastore.info -json print"}},
		{"an unknown object", `{"b":1,"a":{}}`, []string{"refused byte 0: no document that demarc knows: its members are a, b; expected an inventory, an API body, a template, a plan or a state"}},
		{"a missing comma", `{"servers":[{"id":"1"}` + "\n" + `{"id":"2"}]}`, []string{`openstack {"id":"1"} in servers[]`, `refused byte 23: expected ',' or ']', found '{'`, `openstack {"id":"2"} in servers[]`}},
		{"cut off", `{"servers":[{"id":"1"},{"id":`, []string{`openstack {"id":"1"} in servers[]`, "refused byte 29: expected the end of a value, found the end of the text"}},
		{"text behind", pod + "x", []string{"kubernetes " + pod, "refused byte 56: expected an object, found x"}},
		{"a stray bracket", pod + "]", []string{"kubernetes " + pod, "refused byte 56: expected a value, found ']'; what follows it is not read"}},
		{
			"an error of AWS that names the operation", `{"Error":{"Code":"AccessDenied","Message":"User: a is not authorized to perform: rds:DescribeDBInstances on resource: *"}}`,
			[]string{"denied byte 0: an error body, AccessDenied: rds:DescribeDBInstances could not be read", `awsapi form 9 {"Error":{"Code":"AccessDenied","Message":"User: a is not authorized to perform: rds:DescribeDBInstances on resource: *"}} of rds:DescribeDBInstances`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, collect(t, strings.NewReader(c.text)).lines); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func utf16Text(order binary.AppendByteOrder, text string) []byte {
	out := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// TestEncodings sees through compression and encodings, and says what is wrong with a broken one.
func TestEncodings(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	truncated := gzipped(t, strings.Repeat(asset+"\n", 10_000))
	truncated = truncated[:len(truncated)-20]
	corrupt := gzipped(t, pod)
	corrupt[len(corrupt)-5] ^= 0xff
	for _, c := range []struct {
		name string
		text []byte
		want string // the last line
	}{
		{"gzip", gzipped(t, pod), "kubernetes " + pod},
		{"gzip twice", gzipped(t, string(gzipped(t, pod))), "kubernetes " + pod},
		{"gzip three times", gzipped(t, string(gzipped(t, string(gzipped(t, string(gzipped(t, pod))))))), "refused: compressed more than twice"},
		{"zstd", z.EncodeAll([]byte(pod), nil), "kubernetes " + pod},
		{"UTF-16, little end first", utf16Text(binary.LittleEndian, pod), "kubernetes " + pod},
		{"UTF-16, big end first", utf16Text(binary.BigEndian, pod), "kubernetes " + pod},
		{"gzip that ends too soon", truncated, "refused: gzip: unexpected EOF"},
		{"gzip with a bad sum", corrupt, "refused: gzip: gzip: invalid checksum"},
		{"gzip with a bad header", []byte{0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0}, "refused: gzip: gzip: invalid header"},
		{"a tar archive", append(append(bytes.Repeat([]byte("a"), 257), "ustar\x0000"...), make([]byte, 300)...), "refused byte 0: a tar archive: give its files"},
		{"a zip archive", []byte("PK\x03\x04\x00\x00"), "refused: binary data; expected JSON or YAML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := collect(t, bytes.NewReader(c.text))
			if len(s.lines) == 0 || s.lines[len(s.lines)-1] != c.want {
				t.Errorf("got %q, want it to end in %q", s.lines[max(0, len(s.lines)-3):], c.want)
			}
		})
	}
}

// repeated is a reader of a text between two others, so many times.
type repeated struct {
	before, text, after string
	times, at           int
	rest                string
	state               int
}

func (r *repeated) Read(p []byte) (int, error) {
	for r.rest == "" {
		switch {
		case r.state == 0:
			r.rest, r.state = r.before, 1
		case r.state == 1 && r.at < r.times:
			r.rest = r.text
			r.at++
		case r.state == 1:
			r.rest, r.state = r.after, 2
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestMemory reads what is large, or claims to be, in bounded memory.
func TestMemory(t *testing.T) {
	block := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name string
		in   io.Reader
		want []string
	}{
		{
			"a string of a gigabyte", &repeated{before: `{"servers":[{"id":"`, text: block, times: 1 << 10, after: `"},{"id":"2"}]}`},
			[]string{"refused byte 12: a document of more than 64 MiB", `openstack {"id":"2"} in servers[]`},
		},
		{"a member that nobody reads", &repeated{before: `{"servers":[{"id":"1"}],"other":"`, text: block, times: 256, after: `"}`}, []string{`openstack {"id":"1"} in servers[]`}},
		{"ten thousand levels", strings.NewReader(`{"servers":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}"), nil},
		{"many levels of YAML", strings.NewReader("a: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000)), []string{"refused line 1: expected at most 200 levels of nesting"}},
		{
			"aliases of aliases", strings.NewReader("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"),
			[]string{"refused line 6: aliases add more than 200000 values"},
		},
		{"a hundred thousand arrays within each other", strings.NewReader(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), []string{"refused byte 9: expected at most 8 arrays or recordings within each other"}},
		{"recordings within each other", strings.NewReader(strings.Repeat(`{"status_code":200,"data":`, 5_000) + "{}" + strings.Repeat("}", 5_000)), []string{"refused byte 234: expected at most 8 arrays or recordings within each other"}},
		{"a text that aliases repeat", strings.NewReader("a: &a " + block + "\nb: [" + strings.Repeat("*a,", 20_000) + "]\n"), []string{"refused line 2: a document of more than 64 MiB"}},
		{"a mapping that merges repeat", strings.NewReader("a: &a {" + strings.Repeat("x,", 1000) + "}\nb: {<<: [" + strings.Repeat("*a,", 20_000) + "]}\n"), []string{"refused line 2: aliases add more than 200000 values"}},
		{"an anchor that holds itself", strings.NewReader("a: &a [*a]\n"), []string{"refused line 1: expected at most 200 levels of nesting"}},
		{"millions of values of YAML", &repeated{before: "a:\n", text: strings.Repeat("- a\n", 1000), times: 2_500}, []string{"refused line 1: a YAML document of more than 2000000 values: give it as JSON"}},
		{"millions of documents of YAML", &repeated{text: "---\n# nothing\n", times: 100_000}, []string{"refused: no document in it: only comments or empty YAML"}},
		{"YAML without end", &repeated{before: "a: ", text: block, times: 1 << 20}, []string{"refused line 1: a YAML document of more than 64 MiB; what follows it is not read"}},
		{"a template of more than its limit", &repeated{before: `{"AWSTemplateFormatVersion":"2010-09-09","Description":"`, text: block, times: 1 << 20}, []string{"refused byte 0: a template of more than 8 MiB"}},
		{"a key of a mebibyte", strings.NewReader(`{"` + block + `":1}`), []string{"refused byte 1: expected a key of at most 65536 bytes, found a longer one; what follows it is not read"}},
		{"endless brackets", &repeated{before: "[", text: strings.Repeat("[", 1<<16), times: 100}, []string{"refused byte 513: expected at most 512 levels of nesting, found '['; what follows it is not read"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			got := collect(t, c.in)
			runtime.ReadMemStats(&after)
			if c.name == "ten thousand levels" {
				if len(got.lines) == 0 {
					t.Error("nothing is told of it")
				}
			} else if diff := cmp.Diff(c.want, got.lines); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if grown := int64(after.Sys) - int64(before.Sys); grown > 600<<20 {
				t.Errorf("it took %d MiB from the system", grown>>20)
			}
		})
	}
}

// A text that is packed much smaller than it is, and has no end, is a bomb.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("packs a hundred megabytes")
	}
	pr, pw := io.Pipe()
	go func() {
		w, err := gzip.NewWriterLevel(pw, gzip.BestSpeed)
		if err == nil {
			zeros := bytes.Repeat([]byte(" "), 1<<20)
			for range 128 {
				if _, err = w.Write(zeros); err != nil {
					break
				}
			}
			err = errors.Join(err, w.Close())
		}
		pw.CloseWithError(err)
	}()
	packed, err := io.ReadAll(pr)
	if err != nil {
		t.Fatal(err)
	}
	// Packed once more it is smaller still, and grows more than the limit.
	s := collect(t, bytes.NewReader(gzipped(t, string(packed))))
	if len(s.lines) != 1 || !strings.Contains(s.lines[0], "grows more than") {
		t.Errorf("got %q", s.lines)
	}
}

// TestFind walks a directory: what is neither JSON, YAML nor compressed is counted and passed over, hidden folders and
// demarc.yaml are left alone.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.json": pod, "a/c.yaml": "a: b", "a/d.json.gz": "x", "README.md": "x", "noext": " [1]", "logo": "\x89PNG", ".git/e.json": pod, "demarc.yaml": "x: y", "with space:{}.json": pod, "main.tf": "x",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inputs, notes, err := file.Find(t.Context(), dir, demarc.Source{Name: "src", Account: "1"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, in := range inputs {
		got = append(got, in.Source.Input)
		if in.Named || in.Source.Name != "src" || in.Source.Account != "1" {
			t.Errorf("%s is %+v", in.Source.Input, in)
		}
	}
	if diff := cmp.Diff([]string{"a/c.yaml", "a/d.json.gz", "b.json", "noext", "with space:{}.json"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(notes) != 1 || notes[0].Message != "3 files are neither JSON, YAML nor compressed" { // README.md, logo and main.tf
		t.Errorf("passed over: %v", notes)
	}
	if _, _, err := file.Find(t.Context(), filepath.Join(dir, "nowhere"), demarc.Source{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	in, _, err := file.Find(t.Context(), filepath.Join(dir, "README.md"), demarc.Source{})
	if err != nil || len(in) != 1 || !in[0].Named {
		t.Errorf("a named file is read whatever its name: %v, %v", in, err)
	}
}

// An error of the sink ends the collection, and so does the end of the context; what cannot be opened is a note.
func TestEnds(t *testing.T) {
	stop := errors.New("stop")
	s := &sink{stop: stop}
	src := file.Source{Input: file.Input{Path: "-", Source: &demarc.Source{}}, Stdin: strings.NewReader(asset + asset + asset), Envelopes: envelopes{}}
	if err := src.Collect(t.Context(), s); !errors.Is(err, stop) || len(s.docs) != 1 {
		t.Errorf("%v after %d documents, want %v after 1", err, len(s.docs), stop)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src.Stdin = strings.NewReader(asset)
	if err := src.Collect(ctx, &sink{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	s = &sink{}
	src = file.Source{Input: file.Input{Path: filepath.Join(t.TempDir(), "gone.json"), Source: &demarc.Source{}}, Envelopes: envelopes{}}
	if err := src.Collect(t.Context(), s); err != nil || len(s.lines) != 1 || s.lines[0] != "refused: open: no such file or directory" {
		t.Errorf("%v, %q", err, s.lines)
	}
}

// during is a sink that does something when the first document comes.
type during struct {
	sink
	do func()
}

func (d *during) Document(ctx context.Context, doc demarc.Document) error {
	if len(d.docs) == 0 {
		d.do()
	}
	return d.sink.Document(ctx, doc)
}

// TestChanging reads a file that somebody else changes meanwhile: what was read stays, what is cut off is told, and
// nothing waits for more.
func TestChanging(t *testing.T) {
	const lines = 20_000 // more than a buffer holds
	text := strings.Repeat(asset+"\n", lines)
	cutOff := fmt.Sprintf("refused byte %d: expected the end of a value, found the end of the text", len(text)-30)
	for _, c := range []struct {
		name string
		do   func(path string) error
		last string // line
		docs int
	}{
		{"it shrinks", func(path string) error { return os.Truncate(path, int64(len(text)-30)) }, cutOff, lines - 1},
		{"it is emptied", func(path string) error { return os.Truncate(path, 0) }, "refused byte 262144: expected the end of a value, found the end of the text", 262144 / (len(asset) + 1)},
		{"it grows", func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString(asset + "\n")
			return errors.Join(err, f.Close())
		}, "cai " + asset, lines + 1},
		{"it is replaced", func(path string) error {
			return errors.Join(os.WriteFile(path+".new", []byte(pod), 0o600), os.Rename(path+".new", path))
		}, "cai " + asset, lines},
		{"it is removed", os.Remove, "cai " + asset, lines},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.ndjson")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := &during{do: func() {
				if err := c.do(path); err != nil {
					t.Fatal(err)
				}
			}}
			src := file.Source{Input: file.Input{Path: path, Source: &demarc.Source{}}, Envelopes: envelopes{}}
			if err := src.Collect(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if got := s.lines[len(s.lines)-1]; len(s.docs) != c.docs || got != c.last {
				t.Errorf("%d documents and at last %q, want %d and %q", len(s.docs), got, c.docs, c.last)
			}
		})
	}
}
