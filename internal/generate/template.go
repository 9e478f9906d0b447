package generate

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A template is text with directives between « and »:
//
//	hex N, HEX N, digits N        random characters
//	int A B                       a random number from A to B
//	one A|B*3|C                   one of these; B three times as often
//	time                          a moment of the last two years
//	self FORM, SHAPE FORM         what identifies this resource, or one of that shape in the same scope: its "hex N",
//	                              "uuid", "name", "Name" (letters and digits), "digits N", "number". The same in one
//	                              document, until «next SHAPE»
//	all KEY                       «value KEY» of every resource of the scope, with commas
//	line                          a line break: those in the file are left out
//	scope FORM                    what identifies the stack, the cluster or the page that resources stand in
//	account FORM, region, zone, page, total, value KEY, team, env, name
//	if P … else … end             the first in P of 100 documents
//	rep A B … end                 from A to B times, with commas
//	json … end, url … end         as text within a JSON string, escaped or also percent-encoded
type op struct {
	do          string
	text        string
	a, b        int
	of          int // a shape
	choices     [][]op
	body, other []op
}

func compile(text string, shapes map[string]int) ([]op, error) {
	c := &compiler{text: text, shapes: shapes}
	ops, end, err := c.block()
	if err == nil && end != "" {
		err = fmt.Errorf("«%s» without a beginning", end)
	}
	return ops, err
}

type compiler struct {
	text   string
	shapes map[string]int
}

// block compiles to the end of the text, or to the «end» or «else» that it returns.
func (c *compiler) block() (ops []op, end string, err error) {
	for {
		before, rest, ok := strings.Cut(c.text, "«")
		if before != "" {
			ops = append(ops, op{do: "text", text: before})
		}
		if !ok {
			c.text = ""
			return ops, "", nil
		}
		directive, rest, ok := cutDirective(rest)
		if !ok {
			return nil, "", fmt.Errorf("« without »: %.30q", rest)
		}
		c.text = rest
		if directive == "end" || directive == "else" {
			return ops, directive, nil
		}
		o, err := c.directive(directive)
		if err != nil {
			return nil, "", fmt.Errorf("«%s»: %w", directive, err)
		}
		ops = append(ops, o)
	}
}

// cutDirective returns what comes before the » that ends a directive, and what comes after it.
func cutDirective(text string) (directive, rest string, ok bool) {
	depth := 0
	for i, r := range text {
		switch {
		case r == '«':
			depth++
		case r == '»' && depth > 0:
			depth--
		case r == '»':
			return text[:i], text[i+len("»"):], true
		}
	}
	return "", text, false
}

// splitChoices takes «one» apart at the bars that are not within another directive.
func splitChoices(text string) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range text {
		switch {
		case r == '«':
			depth++
		case r == '»':
			depth--
		case r == '|' && depth == 0:
			out, start = append(out, text[start:i]), i+1
		}
	}
	return append(out, text[start:])
}

func (c *compiler) directive(text string) (op, error) {
	word, rest, _ := strings.Cut(text, " ")
	o := op{do: word}
	numbers := func(want int) error {
		f := strings.Fields(rest)
		if len(f) != want {
			return fmt.Errorf("expected %d numbers", want)
		}
		var err error
		if o.a, err = strconv.Atoi(f[0]); err == nil && want > 1 {
			o.b, err = strconv.Atoi(f[1])
		}
		return err
	}
	inner := func() error {
		var end string
		var err error
		if o.body, end, err = c.block(); err == nil && end == "else" {
			o.other, end, err = c.block()
		}
		if err == nil && end != "end" {
			err = fmt.Errorf("without an end")
		}
		return err
	}
	switch word {
	case "hex", "HEX", "digits":
		return o, numbers(1)
	case "int":
		return o, numbers(2)
	case "one":
		for _, s := range splitChoices(rest) {
			n := 1
			if i := strings.LastIndexByte(s, '*'); i >= 0 {
				if k, err := strconv.Atoi(s[i+1:]); err == nil {
					s, n = s[:i], k
				}
			}
			ops, err := compile(s, c.shapes)
			if err != nil {
				return o, err
			}
			for range n {
				o.choices = append(o.choices, ops)
			}
		}
		return o, nil
	case "time", "region", "zone", "page", "total", "team", "env", "line":
		return o, nil
	case "value", "all":
		o.text = rest
		return o, nil
	case "if":
		if err := numbers(1); err != nil {
			return o, err
		}
		return o, inner()
	case "rep":
		if err := numbers(2); err != nil {
			return o, err
		}
		return o, inner()
	case "json", "url":
		return o, inner()
	case "next":
		of, ok := c.shapes[rest]
		if !ok {
			return o, fmt.Errorf("no shape %q", rest)
		}
		o.of = of
		return o, nil
	}
	switch of, ok := c.shapes[word]; {
	case ok:
		o.of = of
	case word == "self":
		o.of = ofSelf
	case word == "account":
		o.of = ofAccount
	case word == "scope":
		o.of = ofScope
	default:
		return o, fmt.Errorf("no such directive and no such shape")
	}
	form, n, _ := strings.Cut(rest, " ")
	o.do, o.text = "identity", form
	if n != "" {
		var err error
		if o.a, err = strconv.Atoi(n); err != nil {
			return o, err
		}
	}
	if !slices.Contains([]string{"hex", "uuid", "name", "Name", "digits", "number"}, form) {
		return o, fmt.Errorf("no form %q", form)
	}
	return o, nil
}

// What an identity may be of, besides a shape.
const (
	ofSelf = -1 - iota
	ofAccount
	ofScope
)

var (
	apps  = []string{"orders", "ledger", "catalogue", "search", "invoices", "loyalty", "shipping", "returns", "stock", "quotes", "reports", "gateway", "sessions", "events", "metrics", "media"}
	tiers = []string{"api", "web", "worker", "batch", "cache", "store", "sync", "admin"}
	teams = []string{"payments", "platform", "data", "shop", "logistics", "security", "mobile", "finance", "research", "support"}
	envs  = []string{"production", "production", "production", "staging", "test", "development"}
)

// writer writes the documents of one scope.
type writer struct {
	set    *shapeSet
	scope  *scope
	b      bytes.Buffer
	pcg    *rand.PCG
	r      *rand.Rand
	shape  int
	index  int
	page   int
	total  int
	picked []int // per shape: the one that this document speaks of, plus one
}

func newWriter(set *shapeSet, sc *scope) *writer {
	w := &writer{set: set, scope: sc, pcg: rand.NewPCG(sc.seed, uint64(sc.number)), picked: make([]int, len(set.shapes)), page: sc.page}
	w.r = rand.New(w.pcg) //nolint:gosec // the same estate each time is what is wanted
	return w
}

// begin turns to one resource.
func (w *writer) begin(shape, index int) {
	w.shape, w.index = shape, index
	h := w.key(shape, index)
	w.pcg.Seed(h, h^0x9e3779b97f4a7c15)
	clear(w.picked)
}

func (w *writer) resource(shape, index int) {
	w.begin(shape, index)
	x := w.set.shapes[shape]
	w.run(w.set.before)
	w.run(x.body)
	w.run(w.set.after)
}

func (w *writer) flush(out io.Writer) error {
	if w.b.Len() < 1<<16 {
		return nil
	}
	_, err := out.Write(w.b.Bytes())
	w.b.Reset()
	return err
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// key is a number that no other resource of the estate has.
func (w *writer) key(shape, index int) uint64 {
	return mix(mix(mix(w.scope.seed)+uint64(w.scope.number)) ^ uint64(shape+8)<<40 ^ uint64(index))
}

func (w *writer) run(ops []op) {
	for i := range ops {
		w.do(&ops[i])
	}
}

func (w *writer) do(o *op) {
	switch o.do {
	case "text":
		w.b.WriteString(o.text)
	case "hex":
		w.random("0123456789abcdef", o.a)
	case "HEX":
		w.random("0123456789ABCDEF", o.a)
	case "digits":
		w.random("0123456789", o.a)
	case "int":
		w.integer(o.a + w.r.IntN(o.b-o.a+1))
	case "one":
		w.run(o.choices[w.r.IntN(len(o.choices))])
	case "line":
		w.b.WriteByte('\n')
	case "time":
		fmt.Fprintf(&w.b, "202%d-%02d-%02dT%02d:%02d:%02d.000Z", 4+w.r.IntN(2), 1+w.r.IntN(12), 1+w.r.IntN(28), w.r.IntN(24), w.r.IntN(60), w.r.IntN(60))
	case "region":
		w.b.WriteString(w.scope.region)
	case "zone":
		w.b.WriteString(w.scope.region)
		w.b.WriteByte("abc"[w.r.IntN(3)])
	case "page":
		w.integer(w.page)
	case "total":
		w.integer(w.total)
	case "team":
		w.b.WriteString(teams[mix(w.key(w.shape, w.index)^1)%uint64(len(teams))])
	case "env":
		w.b.WriteString(envs[mix(w.key(w.shape, w.index)^2)%uint64(len(envs))])
	case "all":
		w.all(o.text)
	case "value":
		if own, ok := w.set.shapes[w.shape].values[o.text]; ok {
			w.run(own)
		} else {
			w.run(w.set.values[o.text])
		}
	case "next":
		w.picked[o.of] = 0
	case "identity":
		w.identity(o)
	default:
		w.control(o)
	}
}

func (w *writer) control(o *op) {
	switch o.do {
	case "if":
		if w.r.IntN(100) < o.a {
			w.run(o.body)
		} else {
			w.run(o.other)
		}
	case "rep":
		for i := range o.a + w.r.IntN(o.b-o.a+1) {
			if i > 0 {
				w.b.WriteByte(',')
			}
			w.run(o.body)
		}
	case "json", "url":
		start := w.b.Len()
		w.run(o.body)
		text := string(w.b.Bytes()[start:])
		w.b.Truncate(start)
		if o.do == "url" {
			text = strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
		} else {
			text = strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `"`, `\"`)
		}
		w.b.WriteString(text)
	default:
		panic("generate: directive " + o.do)
	}
}

// all runs a value of every resource of the scope.
func (w *writer) all(key string) {
	for shape, n := range w.scope.count {
		for i := range n {
			if shape > 0 || i > 0 {
				w.b.WriteByte(',')
			}
			w.begin(shape, i)
			w.run(w.set.shapes[shape].values[key])
		}
	}
}

func (w *writer) integer(n int) {
	w.b.Write(strconv.AppendInt(w.b.AvailableBuffer(), int64(n), 10))
}

func (w *writer) random(alphabet string, n int) {
	for range n {
		w.b.WriteByte(alphabet[w.r.IntN(len(alphabet))])
	}
}

// pick chooses the resource of a shape that this document speaks of. One is spoken of by an eighth, be they thousands, and
// a few by half.
func (w *writer) pick(shape int) int {
	if w.picked[shape] == 0 {
		n := max(1, w.scope.count[shape])
		switch k := w.r.IntN(8); {
		case k == 0:
			n = 1
		case k < 4:
			n = (n + 15) / 16
		}
		w.picked[shape] = 1 + w.r.IntN(n)
	}
	return w.picked[shape] - 1
}

func (w *writer) identity(o *op) {
	shape := o.of
	var index int
	var key uint64
	switch o.of {
	case ofSelf:
		shape, index = w.shape, w.index
		key = w.key(shape, index)
	case ofAccount:
		index = w.scope.account
		key = mix(mix(w.scope.seed^0xacc0) + uint64(index))
	case ofScope:
		index = w.scope.number
		key = mix(mix(w.scope.seed^0x5c09e) + uint64(index))
	default:
		index = w.pick(shape)
		key = w.key(shape, index)
	}
	switch o.text {
	case "hex":
		w.hex(key, o.a)
	case "uuid":
		var buf [36]byte
		u := fmt.Appendf(buf[:0], "%016x%016x", mix(key^3), mix(key^4))
		w.b.Write(u[:8])
		for _, p := range [][]byte{u[8:12], append([]byte("4"), u[13:16]...), append([]byte("a"), u[17:20]...), u[20:32]} {
			w.b.WriteByte('-')
			w.b.Write(p)
		}
	case "name":
		w.b.WriteString(apps[key>>8%uint64(len(apps))])
		w.b.WriteByte('-')
		w.b.WriteString(tiers[key>>16%uint64(len(tiers))])
		w.b.WriteByte('-')
		w.hex(key, 8)
	case "Name":
		w.b.WriteString("R")
		w.hex(key, 12)
	case "digits":
		text := strconv.FormatUint(1e18+mix(key^6)%1e18, 10)
		w.b.WriteString(text[:min(o.a, len(text))])
	case "number":
		w.integer(index)
	}
}

func (w *writer) hex(key uint64, n int) {
	for n > 0 {
		key = mix(key ^ 5)
		var buf [16]byte
		text := fmt.Appendf(buf[:0], "%016x", key)
		k := min(n, 16)
		w.b.Write(text[:k])
		n -= k
	}
}
