package inventory

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// record is what is kept of one document between the passes: identity, references and numbered facts. It is a scratch
// pad: what lasts is its encoded form, and one record is filled with one after the other.
type record struct {
	ref           *rulebook.TypeRef
	service       *rulebook.Service
	plan          *servicePlan // of the service; nil while a document is read
	id            string
	weak          bool // the id lacks a part that would make it unique
	aliases       []string
	provider      string
	account       string
	cloud         string // of OpenStack and vSphere: which one
	region        string
	typ           string
	name          string
	tags          demarc.Tags
	row           Row
	refs          []references // by relation
	by            references   // of a part: what its parent is called
	address       string       // of a Terraform or template resource, within its input
	uid           string       // of a Kubernetes object
	projectNumber string       // of a Google project, where the document tells it beside the id
	machine       string       // of a Kubernetes node: its spec.providerID
	owner         string       // of a Kubernetes object: the id of its controller
	roles         *observedRoles
	rank          rank
	captured      time.Time
	pos           demarc.Position
	source        *demarc.Source
	sequence      int64
	sub           uint32 // of the records of one document
	more          bool   // it lay in a page that says that another follows
	local         bool   // the id is an address within the input
	renamed       bool   // the id was another's
	hidden        []int  // facts that the document itself calls sensitive
	implied       bool
	origins       []demarc.Position
}

// references is what a relation of a document leads to.
type references struct {
	known bool // otherwise nobody knows whether there are any
	to    []string
}

// rank orders what documents say: what was observed beats what was declared.
type rank uint8

const (
	rankTemplate rank = iota
	rankPlan
	rankState
	rankObserved
	rankDenied // of what stands for an account of which nothing could be read
)

// observedRoles is what a Kubernetes node tells of whose it is.
type observedRoles struct {
	host, operator demarc.Party
	assumed        bool // the node names nobody that the catalog knows
}

// kind says why a record is where it is among those of its id.
type kind byte

const (
	kindMoved   kind = iota // all others of the id have become part of another resource
	kindRead                // it was read
	kindJoined              // it was read under another id
	kindImplied             // it is only named
)

// The encoded form is a key behind its length in four bytes, and what the key orders:
//
//	key  = id provider kind rank captured      id and provider by appendOrdered; the highest rank first, then the oldest
//	rest = source sequence sub flags ref ...   the first three of fixed size: they decide between equal keys
//
// All keys of one resource are together, those that go before the others first.

const (
	keyHead = 4
	keyTail = 1 + 1 + 8       // kind, rank, captured
	fixed   = 4 + 8 + 4       // source, sequence, sub
	noTime  = int64(-1) << 63 // captured of what does not say
)

const (
	flagWeak = 1 << iota
	flagMore
	flagLocal
	flagRenamed
	flagImplied
	flagRoles
	flagAssumed
	flagBy
	flagAddress
	flagUID
	flagMachine
	flagOwner
	flagHidden
	flagOrigins
	flagInput // the position's input is not that of its source
	flagProject
	flagCloud
)

// slow are the flags of records that are looked at when resources are gathered; of most nothing but the type is.
const slow = flagWeak | flagLocal | flagRoles | flagAddress | flagOwner | flagMachine

func (r *record) appendKey(b []byte, k kind) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = append(appendOrdered(appendOrdered(b, r.id), r.provider), byte(k), 0xff-byte(r.rank))
	nanos := noTime
	if !r.captured.IsZero() {
		nanos = demarc.Time(r.captured).AsTime().UnixNano()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(nanos)^1<<63)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-keyHead))
	return b
}

// encoder encodes records. It remembers the numbers of what records have in common, and is used by one goroutine.
type encoder struct {
	inv     *Inventory
	symbols map[string]uint32
	refs    map[*rulebook.TypeRef]uint32
	source  *demarc.Source
	number  uint32 // of source
}

func (inv *Inventory) encoder() *encoder {
	return &encoder{inv: inv, symbols: map[string]uint32{}, refs: map[*rulebook.TypeRef]uint32{}}
}

func (e *encoder) ref(r *rulebook.TypeRef) uint32 {
	n, ok := e.refs[r]
	if !ok {
		n = e.inv.refNumber(r)
		e.refs[r] = n
	}
	return n
}

// symbol appends a text that many records have: twice its number, or one more than twice its length and the text itself.
func (e *encoder) symbol(b []byte, s string) []byte {
	n, ok := e.symbols[s]
	if !ok {
		if n, ok = e.inv.symbols.number(s); ok {
			e.symbols[strings.Clone(s)] = n
		}
	}
	if ok {
		return binary.AppendUvarint(b, uint64(n)<<1)
	}
	return append(binary.AppendUvarint(b, uint64(len(s))<<1|1), s...)
}

// append appends the encoded form of r.
func (e *encoder) append(b []byte, r *record, k kind) []byte {
	b = r.appendKey(b, k)
	inv := e.inv
	if e.source != r.source || r.source == nil {
		e.source, e.number = r.source, inv.sources.number(r.source)
	}
	source := e.number
	b = binary.LittleEndian.AppendUint32(b, source)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.sequence))
	b = binary.LittleEndian.AppendUint32(b, r.sub)
	flags := uint64(0)
	set := func(on bool, flag uint64) {
		if on {
			flags |= flag
		}
	}
	set(r.weak, flagWeak)
	set(r.more, flagMore)
	set(r.local, flagLocal)
	set(r.renamed, flagRenamed)
	set(r.implied, flagImplied)
	set(r.roles != nil, flagRoles)
	set(r.roles != nil && r.roles.assumed, flagAssumed)
	set(r.by.known, flagBy)
	set(r.address != "", flagAddress)
	set(r.uid != "", flagUID)
	set(r.machine != "", flagMachine)
	set(r.owner != "", flagOwner)
	set(len(r.hidden) > 0, flagHidden)
	set(len(r.origins) > 0, flagOrigins)
	set(r.pos.Input != inv.sources.at(source).input, flagInput)
	set(r.projectNumber != "", flagProject)
	set(r.cloud != "", flagCloud)
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, uint64(e.ref(r.ref)))
	for _, s := range [...]string{r.provider, r.account, r.region, r.typ} {
		b = e.symbol(b, s)
	}
	b = appendCalled(b, r.id, r.name)
	b = appendText(b, r.tags)
	b = appendPosition(b, &r.pos)
	b = r.row.append(b)
	for i := range r.refs {
		b = appendReferences(b, &r.refs[i])
	}
	b = binary.AppendUvarint(b, uint64(len(r.aliases)))
	for _, a := range r.aliases {
		b = appendCalled(b, r.id, a)
	}
	for _, x := range [...]struct {
		flag uint64
		text string
	}{{flagAddress, r.address}, {flagUID, r.uid}, {flagMachine, r.machine}, {flagOwner, r.owner}, {flagProject, r.projectNumber}, {flagCloud, r.cloud}, {flagInput, r.pos.Input}} {
		if flags&x.flag != 0 {
			b = appendText(b, x.text)
		}
	}
	if r.by.known {
		b = appendReferences(b, &r.by)
	}
	if r.roles != nil {
		b = appendText(appendText(b, r.roles.host), r.roles.operator)
	}
	if len(r.hidden) > 0 {
		b = binary.AppendUvarint(b, uint64(len(r.hidden)))
		for _, i := range r.hidden {
			b = binary.AppendUvarint(b, uint64(i))
		}
	}
	if len(r.origins) > 0 {
		b = binary.AppendUvarint(b, uint64(len(r.origins)))
		for i := range r.origins {
			b = appendPosition(appendText(b, r.origins[i].Input), &r.origins[i])
		}
	}
	return b
}

// appendCalled appends what a resource is called, which most often its id ends with: then twice its length, else one more and the text.
func appendCalled(b []byte, id, s string) []byte {
	if strings.HasSuffix(id, s) {
		return binary.AppendUvarint(b, uint64(len(s))<<1)
	}
	return append(binary.AppendUvarint(b, uint64(len(s))<<1|1), s...)
}

func (d *decoder) called(id string) string {
	n := d.uint()
	if n&1 == 0 {
		return id[len(id)-int(n>>1):]
	}
	return d.take(int(n >> 1))
}

func appendPosition(b []byte, p *demarc.Position) []byte {
	b = binary.AppendUvarint(b, uint64(p.Offset+1))
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.Line)), uint64(p.Column))
}

func (d *decoder) position() demarc.Position {
	return demarc.Position{Offset: int64(d.uint()) - 1, Line: int(d.uint()), Column: int(d.uint())}
}

func appendReferences(b []byte, r *references) []byte {
	if !r.known {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r.to))+1)
	for _, s := range r.to {
		b = appendText(b, s)
	}
	return b
}

func (d *decoder) references(r *references) {
	n := d.uint()
	r.known, r.to = n > 0, r.to[:0]
	for ; n > 1; n-- {
		r.to = append(r.to, d.text())
	}
}

// append appends the facts of a row: twice a number, or 1 and the fact itself behind its length.
func (r *Row) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(r.numbers)))
	for i := range r.numbers {
		b = r.appendFact(b, i)
	}
	return b
}

func (r *Row) appendFact(b []byte, i int) []byte {
	n := r.numbers[i]
	if n&carried == 0 {
		return binary.AppendUvarint(b, uint64(n)<<1)
	}
	own := &r.own[n&^carried]
	at := len(b)
	b = append(b, 1, 0, 0, 0, 0)
	if own.text != "" {
		b = append(b, own.text...)
	} else {
		b = appendValue(append(b, byte(own.fact.Origin)), own.fact.Value)
	}
	binary.LittleEndian.PutUint32(b[at+1:], uint32(len(b)-at-5))
	return b
}

// own reads the text of a fact that a resource carries, behind its mark.
func (d *decoder) own() string { return d.take(int(binary.LittleEndian.Uint32([]byte(d.take(4))))) }

// set reads a fact into its place.
func (d *decoder) set(r *Row, i int) {
	x := d.uint()
	if x&1 == 0 {
		r.numbers[i] = uint32(x >> 1)
		return
	}
	r.numbers[i] = carried | uint32(len(r.own))
	r.own = append(r.own, ownFact{text: d.own()})
}

// fact reads one fact of a column.
func (d *decoder) fact(c column) demarc.Fact {
	x := d.uint()
	if x&1 == 0 {
		return c.fact(uint32(x >> 1))
	}
	own := decoder{d.own(), c.names, d.arena}
	origin := demarc.Origin(own.take(1)[0])
	return demarc.Fact{Origin: origin, Value: own.value()}
}

// skipFact passes over a fact.
func (d *decoder) skipFact() {
	if d.uint()&1 != 0 {
		d.own()
	}
}

// row reads the facts of a resource of s.
func (d *decoder) row(columns []column, r *Row) {
	r.columns, r.own = columns, r.own[:0]
	n := int(d.uint())
	if cap(r.numbers) < n {
		r.numbers = make([]uint32, n)
	}
	r.numbers = r.numbers[:n]
	for i := range r.numbers {
		d.set(r, i)
	}
}

// refOf returns the type of an encoded record.
func (inv *Inventory) refOf(text string) *rulebook.TypeRef {
	_, rest := split(text)
	d := decoder{rest: rest[fixed:]}
	d.uint() // flags
	ref, _ := inv.refs.at(uint32(d.uint()))
	return ref
}

// split returns the key and the rest of an encoded record.
func split[T ~string | ~[]byte](b T) (key, rest T) {
	n := keyHead + int(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))
	return b[keyHead:n], b[n:]
}

// compare orders encoded records: by key, then by where they were read.
func (inv *Inventory) compare(a, b []byte) int {
	ka, ra := split(a)
	kb, rb := split(b)
	if c := bytes.Compare(ka, kb); c != 0 {
		return c
	}
	return inv.comparePlaces(ra, rb)
}

func (inv *Inventory) comparePlaces(a, b []byte) int {
	return cmp.Or(
		inv.sources.compare(binary.LittleEndian.Uint32(a), binary.LittleEndian.Uint32(b)),
		cmp.Compare(int64(binary.LittleEndian.Uint64(a[4:])), int64(binary.LittleEndian.Uint64(b[4:]))),
		cmp.Compare(binary.LittleEndian.Uint32(a[12:]), binary.LittleEndian.Uint32(b[12:])),
	)
}

// decode fills r with an encoded record. Its texts are pieces of text.
func (inv *Inventory) decode(text string, r *record) kind {
	key, rest := split(text)
	tail := key[len(key)-keyTail:]
	*r = record{aliases: r.aliases[:0], row: r.row, refs: r.refs, by: references{to: r.by.to[:0]}, hidden: r.hidden[:0], origins: r.origins[:0]}
	r.id, _ = cutOrdered(key)
	r.rank = rank(0xff - tail[1])
	if nanos := int64(binary.BigEndian.Uint64([]byte(tail[2:])) ^ 1<<63); nanos != noTime {
		r.captured = time.Unix(0, nanos).UTC()
	}
	head := []byte(rest[:fixed])
	from := inv.sources.at(binary.LittleEndian.Uint32(head))
	r.source = from.source
	r.sequence, r.sub = int64(binary.LittleEndian.Uint64(head[4:])), binary.LittleEndian.Uint32(head[12:])
	d := decoder{rest: rest[fixed:]}
	flags := d.uint()
	is := func(flag uint64) bool { return flags&flag != 0 }
	r.weak, r.more, r.local, r.renamed, r.implied = is(flagWeak), is(flagMore), is(flagLocal), is(flagRenamed), is(flagImplied)
	r.ref, r.plan = inv.refs.at(uint32(d.uint()))
	r.service = r.ref.Service
	r.provider, r.account = inv.symbols.read(&d), inv.symbols.read(&d)
	r.region, r.typ = inv.symbols.read(&d), inv.symbols.read(&d)
	r.name = d.called(r.id)
	r.tags = demarc.Tags(d.text())
	r.pos = d.position()
	r.pos.Input = from.input
	d.row(r.plan.columns, &r.row)
	r.makeRefs(len(r.service.Relations))
	for i := range r.refs {
		d.references(&r.refs[i])
	}
	for range d.uint() {
		r.aliases = append(r.aliases, d.called(r.id))
	}
	for _, x := range [...]struct {
		flag uint64
		to   *string
	}{{flagAddress, &r.address}, {flagUID, &r.uid}, {flagMachine, &r.machine}, {flagOwner, &r.owner}, {flagProject, &r.projectNumber}, {flagCloud, &r.cloud}, {flagInput, &r.pos.Input}} {
		if is(x.flag) {
			*x.to = d.text()
		}
	}
	if is(flagInput) {
		r.pos.Input = strings.Clone(r.pos.Input)
	}
	if is(flagBy) {
		d.references(&r.by)
	}
	if is(flagRoles) {
		r.roles = &observedRoles{host: demarc.Party(d.text()), operator: demarc.Party(d.text()), assumed: is(flagAssumed)}
	}
	if is(flagHidden) {
		for range d.uint() {
			r.hidden = append(r.hidden, int(d.uint()))
		}
	}
	if is(flagOrigins) {
		for range d.uint() {
			in := strings.Clone(d.text()) // as above: a position outlives its record
			p := d.position()
			p.Input = in
			r.origins = append(r.origins, p)
		}
	}
	return kind(tail[0])
}

// makeRefs makes room for the references of n relations, none of them known.
func (r *record) makeRefs(n int) {
	if cap(r.refs) < n {
		r.refs = slices.Grow(r.refs[:cap(r.refs)], n-cap(r.refs))
	}
	r.refs = r.refs[:n]
	for i := range r.refs {
		r.refs[i].known, r.refs[i].to = false, r.refs[i].to[:0]
	}
}

const fewAliases = 16 // a document may hold any number

func (r *record) inputKey() string { return inputKey(r.source) }

func inputKey(s *demarc.Source) string {
	if s == nil {
		return ""
	}
	return s.Name + "\x00" + s.Input
}

// eachAlias calls f with everything that r may be called: once, but for names that many others lie between.
func (r *record) eachAlias(f func(string)) {
	f(r.id)
	if r.name != "" && r.name != r.id {
		f(r.name)
	}
	for i, a := range r.aliases {
		if a != "" && a != r.id && a != r.name && !slices.Contains(r.aliases[max(0, i-fewAliases):i], a) {
			f(a)
		}
	}
	if r.address != "" {
		f(addressKey(r.inputKey(), r.address))
		if bare := withoutIndexes(r.address); bare != r.address {
			f(addressKey(r.inputKey(), bare))
		}
	}
}

// callItself gives facts that say what the resource is called its address, where it has no other name yet.
func (r *record) callItself(address string) {
	for _, fact := range r.ref.Called {
		if !r.row.known(fact) {
			r.row.set(fact, demarc.Fact{Value: demarc.String(address)})
		}
	}
}

// addressKey is the alias of a template's or plan's own resource. It cannot be a name: "#" begins none.
func addressKey(input, address string) string { return "#" + input + "\x00" + address }

// newer reports whether what r says goes before what old says.
func newer(r, old *record) bool {
	if r.rank != old.rank {
		return r.rank > old.rank
	}
	return r.captured.After(old.captured)
}

// lower returns s in lower case; most names are that already.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(s)
		}
	}
	return s
}
