package inventory

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/spill"
)

// What resources are called and what others call them meet by sorting: a name and an ask of one key come together
// whatever lies between their resources. Keys are two hashes of what is called and how: 128 bits, so that two things
// that are called differently are never taken for one.

// matchKey is the key of a name or an ask.
type matchKey [16]byte

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func keyOf(space byte, what, called string) matchKey {
	var buf [256]byte
	b := append(append(append(append(buf[:0], space), what...), 0), called...)
	var key matchKey
	binary.BigEndian.PutUint64(key[:], maphash.Bytes(seeds[0], b))
	binary.BigEndian.PutUint64(key[8:], maphash.Bytes(seeds[1], b))
	return key
}

// nameKey is that of a resource of a service, by what it is called; case does not count.
func nameKey(p *servicePlan, called string) matchKey { return keyOf('n', string(p.ID), lower(called)) }

// accountKey is that of the resources of a service in an account.
func accountKey(p *servicePlan, account string) matchKey { return keyOf('a', string(p.ID), account) }

// ownerKey is that of an object of Kubernetes, by its id.
func ownerKey(id string) matchKey { return keyOf('o', "", id) }

// machineKey is that of a machine, by what it is called at a provider.
func machineKey(provider, called string) matchKey { return keyOf('m', provider, lower(called)) }

// name is what is known of a resource where others ask for it.
type name struct {
	ordinal  uint64 // of the resource
	weak     bool
	provider string
	account  string
	region   string
	cloud    string
	address  string
	id       string
	source   uint32
	facts    string // those that others draw, encoded
}

func nameOf(ordinal uint64, r *record) *name {
	return &name{ordinal: ordinal, weak: r.weak, provider: r.provider, account: r.account, region: r.region, cloud: r.cloud, address: r.address, id: r.id}
}

// ledger takes names and asks. It is used by one goroutine.
type ledger struct {
	inv   *Inventory
	names *spill.Sorter
	asks  *spill.Sorter
	buf   []byte
}

func (inv *Inventory) ledger() *ledger {
	return &ledger{inv: inv, names: inv.store.NewSorter(sortedSmall, nil), asks: inv.store.NewSorter(sortedSmall, nil)}
}

func (l *ledger) name(n *name, key matchKey) error {
	l.buf = n.append(append(l.buf[:0], key[:]...))
	return l.names.Add(l.buf)
}

// nameAll adds everything that a resource may be called.
func (l *ledger) nameAll(plan *servicePlan, n *name, r *record) error {
	n.source = l.inv.sources.number(r.source)
	var err error
	r.eachAlias(func(alias string) {
		if err == nil {
			err = l.name(n, nameKey(plan, alias))
		}
	})
	for i := range r.refs {
		if !plan.Relations[i].Answers {
			continue
		}
		for _, reference := range r.refs[i].to {
			if reference == "#" {
				reference += anybody
			}
			if err == nil {
				err = l.name(n, nameKey(plan, r.whole(reference)))
			}
		}
	}
	return err
}

// whole returns a reference as others know it: one to a resource of the same template or plan by the key of that.
func (r *record) whole(reference string) string {
	if logical, ok := strings.CutPrefix(reference, "#"); ok {
		return addressKey(r.inputKey(), logical)
	}
	return reference
}

// refer asks for what a reference of r to a resource of a service means.
func (l *ledger) refer(a *ask, to *servicePlan, r *record, reference string) error {
	a.service, a.called = string(to.ID), reference
	a.source = l.inv.sources.number(r.source)
	return l.ask(a, nameKey(to, r.whole(reference)))
}

func (l *ledger) ask(a *ask, key matchKey) error {
	l.buf = a.append(append(l.buf[:0], key[:]...))
	return l.asks.Add(l.buf)
}

func (l *ledger) absorb(o *ledger) error {
	if err := l.names.Absorb(o.names); err != nil {
		return err
	}
	return l.asks.Absorb(o.asks)
}

func (l *ledger) release() {
	l.names.Release()
	l.asks.Release()
}

func (n *name) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, n.ordinal)
	weak := uint64(0)
	if n.weak {
		weak = 1
	}
	b = binary.AppendUvarint(b, weak)
	for _, t := range [...]string{n.provider, n.account, n.region, n.cloud, n.address, n.id, n.facts} {
		b = appendText(b, t)
	}
	return binary.AppendUvarint(b, uint64(n.source))
}

func decodeName(text string) name {
	d := decoder{rest: text[len(matchKey{}):]}
	n := name{ordinal: binary.BigEndian.Uint64([]byte(d.take(8))), weak: d.uint() != 0}
	for _, to := range [...]*string{&n.provider, &n.account, &n.region, &n.cloud, &n.address, &n.id, &n.facts} {
		*to = d.text()
	}
	n.source = uint32(d.uint())
	return n
}

// askKind says what comes of an ask.
type askKind byte

const (
	askRelation askKind = iota // facts are drawn through a relation
	askCluster                 // a relation to a cluster, through which nothing is drawn
	askMachine                 // a node of Kubernetes asks for its machine
	askWeak                    // a resource that is only partly named asks for the one that it is
	askPart                    // a part asks for what it belongs to
	askAccount                 // a part asks for what stands for its account
	askOwner                   // an object of Kubernetes asks for its controller

	answerDerived askKind = 0xff // no ask: what was derived of a resource, behind all answers
)

// ask is a reference that leads to resources.
type ask struct {
	kind     askKind
	number   uint64 // of what asks: the ordinal of a resource, or the number of a part
	relation int
	index    int // of the reference in its relation
	to       int // of the services that the relation may lead to
	attempt  int // what it is called was tried in other ways before
	provider string
	account  string
	region   string
	cloud    string
	address  string
	source   uint32
	called   string // the reference as it stands
	service  string // that is asked for
}

func askOf(kind askKind, number uint64, r *record) *ask {
	return &ask{kind: kind, number: number, provider: r.provider, account: r.account, region: r.region, cloud: r.cloud, address: r.address}
}

// by says which reference of its resource an ask is.
func (a *ask) by(relation, index, to int) *ask {
	a.relation, a.index, a.to = relation, index, to
	return a
}

// slot is where an ask stands among all: by what asks, then by its references, then by attempts.
func (a *ask) slot(b []byte) []byte {
	b = append(binary.BigEndian.AppendUint64(b, a.number), byte(a.kind))
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(a.relation)), uint32(a.index))
	return append(b, byte(a.to), byte(a.attempt))
}

const slotSize = 1 + 8 + 2 + 4 + 1 + 1

func (a *ask) append(b []byte) []byte {
	b = a.slot(b)
	for _, t := range [...]string{a.provider, a.account, a.region, a.cloud, a.address, a.called, a.service} {
		b = appendText(b, t)
	}
	return binary.AppendUvarint(b, uint64(a.source))
}

func decodeAsk(text string) ask {
	d := decoder{rest: text[len(matchKey{}):]}
	head := []byte(d.take(slotSize))
	a := ask{
		number: binary.BigEndian.Uint64(head), kind: askKind(head[8]), relation: int(binary.BigEndian.Uint16(head[9:])),
		index: int(binary.BigEndian.Uint32(head[11:])), to: int(head[15]), attempt: int(head[16]),
	}
	for _, to := range [...]*string{&a.provider, &a.account, &a.region, &a.cloud, &a.address, &a.called, &a.service} {
		*to = d.text()
	}
	a.source = uint32(d.uint())
	return a
}

// match calls f with every ask that something is called by, and the resources that are meant by it, if any. An ask that
// nothing is called by is tried again in the other ways in which its provider names things: of several attempts that f is
// called with, the first is what counts.
func (l *ledger) match(f func(a *ask, meant []name) error) error {
	again := l.inv.ledger()
	defer again.release()
	retry := func(a *ask) error {
		for i, called := range otherNames(a.service, a.called) {
			b := *a
			b.attempt = i + 1
			if err := again.ask(&b, keyOf('n', a.service, lower(called))); err != nil {
				return err
			}
		}
		return nil
	}
	if err := l.meet(l.asks, f, retry); err != nil {
		return err
	}
	return l.meet(again.asks, f, func(*ask) error { return nil })
}

// meet goes through asks and names side by side.
func (l *ledger) meet(asks *spill.Sorter, f func(a *ask, meant []name) error, nobody func(a *ask) error) error {
	if asks.Len() == 0 {
		return nil
	}
	askers, err := asks.Sorted()
	if err != nil {
		return err
	}
	names, err := l.names.Sorted()
	if err != nil {
		return err
	}
	var group candidates
	var a ask
	var key []byte
	called, some := names.Next()
	for text, ok := askers.Next(); ok; text, ok = askers.Next() {
		if !bytes.Equal(key, text[:len(matchKey{})]) {
			key = append(key[:0], text[:len(matchKey{})]...)
			group.reset()
			for some && bytes.Compare(called[:len(key)], key) < 0 {
				called, some = names.Next()
			}
			for some && bytes.Equal(called[:len(key)], key) {
				group.add(called)
				called, some = names.Next()
			}
		}
		a = decodeAsk(view(text))
		if len(group.all) == 0 {
			err = nobody(&a)
		} else {
			err = f(&a, group.meant(l.inv, &a))
		}
		if err != nil {
			return err
		}
	}
	if askers.Err() != nil {
		return askers.Err()
	}
	return names.Err()
}

// candidates are the resources that are called alike.
type candidates struct {
	all       []name
	texts     []byte            // that all are pieces of
	byAccount map[string][]name // in lower case; made when there are many
	known     map[asked][]name  // that were meant before; made when there are many
	size      int               // of known
	out       []name
	near      []name
}

// asked is what the resources that a reference means depend on.
type asked struct {
	provider, account, region, cloud, called string
	source                                   uint32
	attempt                                  int
}

const (
	manyCandidates = 32
	maxMeant       = 100  // resources that one reference may mean; that there are more is told
	maxKnown       = 8192 // resources that references to what is called alike mean, all together, and that are remembered
)

func (c *candidates) reset() {
	c.all, c.texts, c.byAccount, c.known, c.size = c.all[:0], c.texts[:0], nil, nil, 0
}

// add adds one, encoded.
func (c *candidates) add(text []byte) {
	from := len(c.texts)
	c.texts = append(c.texts, text...)
	n := decodeName(view(c.texts[from:]))
	if len(c.all) == 0 || c.all[len(c.all)-1].ordinal != n.ordinal {
		c.all = append(c.all, n)
	}
}

// in returns those that may be in an account.
func (c *candidates) in(account string) []name {
	if len(c.all) < manyCandidates || account == "" {
		return c.all
	}
	if c.byAccount == nil {
		c.byAccount = map[string][]name{}
		for _, n := range c.all {
			c.byAccount[lower(n.account)] = append(c.byAccount[lower(n.account)], n)
		}
	}
	if len(c.byAccount[""]) > 0 {
		return c.all
	}
	return c.byAccount[lower(account)]
}

// meant returns those that an ask may mean.
func (c *candidates) meant(inv *Inventory, a *ask) []name {
	switch {
	case a.kind == askWeak:
		c.out = c.out[:0]
		for _, n := range c.in(a.account) {
			if len(c.out) < maxMeant && n.ordinal != a.number && !n.weak && n.address == "" && fits(a, &n) && a.cloud == n.cloud {
				c.out = append(c.out, n)
			}
		}
		return c.out
	case a.kind == askMachine || a.kind == askOwner || a.kind == askAccount:
		return c.all
	case a.address != "" && a.called == "#"+a.address: // whoever names this one means it
		return c.all
	case strings.HasPrefix(a.called, "#"):
		return sameInstance(a.address, c.all)
	case len(c.all) < manyCandidates:
		return c.find(inv, a)
	}
	key := asked{a.provider, a.account, a.region, a.cloud, a.called, a.source, a.attempt}
	if isWhole(a.called) { // wherever it is asked for
		key.provider, key.account, key.region = "", "", ""
	}
	if known, ok := c.known[key]; ok {
		return known
	}
	found := c.find(inv, a)
	if c.size += 1 + len(found); c.size <= maxKnown {
		if c.known == nil {
			c.known = map[asked][]name{}
		}
		for _, s := range [...]*string{&key.provider, &key.account, &key.region, &key.cloud, &key.called} {
			*s = strings.Clone(*s) // an ask is gone when the next comes
		}
		c.known[key] = slices.Clone(found)
	}
	return found
}

// find returns those that an ask may mean, of all.
func (c *candidates) find(inv *Inventory, a *ask) []name {
	whole := isWhole(a.called)
	from := surroundings{}
	pool := c.all
	if a.attempt > 0 {
		from = arnParts(a.called)
	}
	if !whole {
		pool = c.in(a.account)
	}
	c.out, c.near = c.out[:0], c.near[:0]
	for i := range pool {
		n := &pool[i]
		if len(c.out) == maxMeant {
			break
		}
		if !agree(from.account, n.account) || !agree(from.region, n.region) || a.provider != n.provider && !whole || !whole && !fits(a, n) {
			continue
		}
		c.out = append(c.out, *n)
		if inv.sources.compare(a.source, n.source) == 0 {
			c.near = append(c.near, *n)
		}
	}
	if len(c.out) > 1 && len(c.near) == 1 {
		return c.near
	}
	return c.out
}

// fits reports whether two resources may be in one account and region: where both say one, it must be the same, or one
// must lie in the other, as a zone does in its region.
func fits(a *ask, b *name) bool {
	return a.provider == b.provider && agree(a.account, b.account) && (agree(a.region, b.region) || lies(a.region, b.region) || lies(b.region, a.region))
}

func agree(a, b string) bool { return a == "" || b == "" || strings.EqualFold(a, b) }

// lies reports whether a zone lies in a region: europe-west4-a in europe-west4, eu-west-1a in eu-west-1, and all in global.
func lies(zone, region string) bool {
	rest, ok := strings.CutPrefix(lower(zone), lower(region))
	return strings.EqualFold(region, "global") || ok && len(strings.TrimPrefix(rest, "-")) == 1
}

// isWhole reports whether a reference names a resource wherever it is: an ARN, an ARM id, a path of Google's, a storage bucket
// of Google's, whose names are unique in the world.
func isWhole(reference string) bool {
	return strings.HasPrefix(reference, "arn:") || strings.HasPrefix(reference, "/subscriptions/") || strings.HasPrefix(reference, "//") ||
		strings.Contains(reference, "projects/") || strings.HasPrefix(reference, "storage.googleapis.com/")
}

// otherNames returns what else a reference may be called: Google names things by URL or by path and keys by a version,
// Azure and others by a longer path.
func otherNames(service, reference string) []string {
	if strings.HasPrefix(reference, "#") {
		return nil
	}
	var out []string
	if i := strings.LastIndex(reference, "/projects/"); i > 0 {
		reference = reference[i+1:]
		out = append(out, reference)
	}
	if key, _, ok := strings.Cut(reference, "/cryptoKeyVersions/"); ok { // what is encrypted names the version, which need not be the one in use
		out = append(out, key)
	}
	if out != nil {
		return out
	}
	if i := strings.LastIndexByte(reference, ':'); strings.HasPrefix(reference, "arn:") && i > 0 {
		tail := reference[i+1:]
		if _, name, ok := strings.Cut(tail, "/"); ok {
			return []string{tail, name}
		}
		return []string{tail}
	}
	if strings.HasPrefix(service, "azure/") {
		return ancestors(reference)
	}
	return nil
}

const maxAncestors = 40

// ancestors returns what an ARM id or name lies below: ".../storageAccounts/a/blobServices/default" below
// ".../storageAccounts/a", and "a/default" below "a".
func ancestors(reference string) []string {
	steps := 1
	if strings.HasPrefix(reference, "/") {
		steps = 2
	}
	var out []string
	for len(out) < maxAncestors {
		for range steps {
			i := strings.LastIndexByte(reference, '/')
			if i <= 0 {
				return out
			}
			reference = reference[:i]
		}
		out = append(out, reference)
	}
	return out
}

// sameInstance keeps, of the instances that one block of a plan makes, those that the resource at an address means: of
// aws_s3_bucket.b[each.key] the one with its own key, in a module with several instances those of its own.
func sameInstance(address string, found []name) []name {
	if len(found) < 2 {
		return found
	}
	keep := func(wanted func(*name) bool) {
		var out []name
		for i := range found {
			if wanted(&found[i]) {
				out = append(out, found[i])
			}
		}
		if len(out) > 0 {
			found = out
		}
	}
	if module := address[:strings.LastIndexByte(strings.TrimSuffix(address, indexOf(address)), ']')+1]; module != "" {
		keep(func(n *name) bool { return strings.HasPrefix(n.address, module) })
	}
	if index := indexOf(address); index != "" {
		keep(func(n *name) bool { return indexOf(n.address) == index })
	}
	return found
}
